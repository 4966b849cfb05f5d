# mmaction2's BSN on HAPT, first of three steps: TEM, actionness and boundary scores of every step.
_base_ = ['bmn_hapt.py']

model = dict(
    _delete_=True,
    type='WindowedTEM',
    localizer=dict(
        type='TEM',
        temporal_dim=_base_.window,
        boundary_ratio=0.1,
        tem_feat_dim=_base_.feat_dim,
        tem_hidden_dim=256,
        tem_match_threshold=0.5,
    ),
)

# It has no metric: the test writes files for PGM, of the training set too
val_cfg = val_dataloader = val_evaluator = None
test_dataloader = dict(dataset=dict(subset=[_base_.train_subset, _base_.test_subset]))
test_evaluator = dict(_delete_=True, type='TEMResults')
default_hooks = dict(checkpoint=dict(save_best=None))
