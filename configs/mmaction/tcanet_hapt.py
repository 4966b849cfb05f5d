# mmaction2's TCANet on HAPT: refines the proposals of BMN in windows of 84 steps. What comes before
# it: README.
_base_ = ['bmn_hapt.py']

proposals_file = 'work_dirs/bmn_hapt/all/proposals.json'
attach = dict(type='AttachProposals', path=proposals_file)
train_pipeline = [*_base_.train_pipeline, attach]
test_pipeline = [*_base_.test_pipeline, attach]
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

model = dict(
    type='WindowedTCANet',
    localizer=dict(
        _delete_=True,
        type='TCANet',
        feat_dim=_base_.feat_dim,
        temporal_dim=_base_.window,
        window_size=9,
        lgte_num=2,
        # A quarter of the samples for HACS; its widths are fixed
        se_sample_num=8,
        action_sample_num=16,
    ),
)

train_cfg = dict(max_epochs=10, val_interval=10)
