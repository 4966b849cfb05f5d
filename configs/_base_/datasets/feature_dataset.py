# What all data sets share: their loaders and their metric. A data set inherits it and gives its own
# numbers.
dataset_type = 'TALDataset'
train_dataloader = dict(
    batch_size=2,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(type=dataset_type, filter_cfg=dict(filter_empty=True)),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(type=dataset_type, test_mode=True),
)
test_dataloader = val_dataloader

val_evaluator = dict(type='TALMetric')
test_evaluator = val_evaluator
