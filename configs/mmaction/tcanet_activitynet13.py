# mmaction2's TCANet on ActivityNet-1.3, in its setting for HACS: refines the proposals of BMN. What
# comes before it: README.
_base_ = ['bmn_activitynet13.py']

proposals_file = 'work_dirs/bmn_activitynet13/all/proposals.json'
pipeline = [*_base_.pipeline, dict(type='AttachProposals', path=proposals_file)]
train_dataloader = dict(dataset=dict(pipeline=pipeline))
val_dataloader = dict(dataset=dict(pipeline=pipeline))
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
        se_sample_num=32,
        action_sample_num=64,
    ),
)
