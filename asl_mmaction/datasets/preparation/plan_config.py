"""The plan as a config: one plain line for each choice, its reason beside it."""

from collections.abc import Mapping
from typing import Any

from asl_mmaction.datasets.preparation.plan import Choice

WIDE = 100  # columns: a longer reason stands above its line

BASELINE = """\
# The ActionFormer-style baseline on {data}.
# Written by tools/data/from_csv.py from the data; every line is yours to change.
_base_ = [
    'asl_mmaction::_base_/default_runtime.py',
    'asl_mmaction::_base_/datasets/feature_dataset.py',
    'asl_mmaction::_base_/models/actionformer.py',
    'asl_mmaction::_base_/schedules/adamw_cosine.py',
]

# The data
{settings}

# The plan
{plan}

# What is the same for any data
load_feature = dict(type='LoadFeature', feat_dim=feat_dim{load})
train_pipeline = [
    load_feature,
    dict(type='RandomTruncate', max_len=max_len, crop_ratio=(0.9, 1.0), min_overlap=0.5),
    dict(type='PackTALInputs'),
]
test_pipeline = [load_feature, dict(type='PackTALInputs')]
data = dict(
    data_root='{{{{ fileDirname }}}}/',
    ann_file='annotations.json',
    data_prefix=dict(feature=feature_folder),
    feature_file=feature_file,
    grid=grid,
)
loading = dict(
    batch_size=batch_size, num_workers=num_workers, persistent_workers=num_workers > 0
)
train_dataloader = dict(
    dataset=dict(subset=train_subset, pipeline=train_pipeline, **data), **loading
)
{sampler}val_dataloader = dict(
    dataset=dict(subset=test_subset, pipeline=test_pipeline, **data), **loading
)
test_dataloader = val_dataloader
val_evaluator = dict(tiou_thresholds=tiou_thresholds)
test_evaluator = val_evaluator

model = dict(
    data_preprocessor=dict(size_divisor=strides[-1]),
    projection=dict(in_channels=feat_dim, out_channels=width),
    neck=dict(num_levels=len(strides), window_size=window_size),
    head=dict(
        num_classes=num_classes,
        strides=strides,
        regress_ranges=regress_ranges,
        assigner=dict(center_sampling_radius=center_sampling_radius, match=match),
        loss_normalizer=loss_normalizer,
    ),
    post_processor=dict(
        pre_nms_topk=pre_nms_topk,
        sigma=sigma,
        voting_threshold=voting_threshold,
        max_per_video=max_per_video,
    ),
)
train_cfg = dict(max_epochs=max_epochs, val_interval=val_interval)
optim_wrapper = dict(optimizer=dict(lr=lr))
param_scheduler = [
    dict(_base_.param_scheduler[0], end=warmup_epochs),
    dict(_base_.param_scheduler[1], begin=warmup_epochs),
]
auto_scale_lr = dict(base_batch_size=batch_size)
"""
# Videos of a batch are padded to the longest
SAMPLER = "train_dataloader['batch_sampler'] = dict(type='LengthGroupedBatchSampler')\n"
ASL = """\
# ASL: the baseline beside this file with channel attention, sensitivity and contrastive loss.
_base_ = ['my_baseline.py', 'asl_mmaction::_base_/sensitivity/asl.py']

model = dict(
    neck=dict(theta=_base_.theta),
    head=dict(sensitivity=_base_.sensitivity, loss_contrast=_base_.loss_contrast),
)
"""
ASL_DENSE = """\
# ASL where actions overlap: the baseline beside this file with channel attention and sensitivity,
# points chosen by what they predict, scores multiplied by the predicted quality, and weights as
# printed (of mean 1 in each action: sensitivity=dict(_base_.sensitivity, normalize='per_gt')). Left
# out is the contrastive loss (loss_contrast=_base_.loss_contrast), which does not pay on Billboard.
_base_ = ['my_baseline.py', 'asl_mmaction::_base_/sensitivity/asl_dense.py']

# The ranges of the baseline, but each begins at half of its start: an action is on two levels.
ends = [0] + [high for _, high in _base_.regress_ranges]
model = dict(
    neck=dict(theta=_base_.theta),
    head=dict(
        # At any place in an action: the baseline's center_sampling_radius does not act here.
        assigner=dict(_base_.assigner, match='all'),
        regress_ranges=[(low // 2, high) for low, high in zip(ends, ends[1:])],
        sensitivity=_base_.sensitivity,
    ),
    post_processor=dict(quality_power=_base_.quality_power),
)
"""


def baseline_config(
    data: str, settings: Mapping[str, Any], load: Mapping[str, Any], plan: Mapping[str, Choice]
) -> str:
    """Text of ``my_baseline.py``, which lies beside ``annotations.json``.

    Args:
        data: What it is called.
        settings: Of the data: ``feature_folder`` (from the config's own folder, or absolute),
            ``feature_file``, ``feat_dim``, ``num_classes``, ``grid``, ``train_subset``,
            ``test_subset``, ``tiou_thresholds``; or pairs of a value and a comment.
        load: Further arguments of LoadFeature.
        plan: Of :func:`make_plan`.
    """
    lines = []
    for name, value in settings.items():
        value, comment = value if isinstance(value, tuple) else (value, '')
        lines.append(_line(name, value, comment))
    return BASELINE.format(
        data=data,
        settings='\n'.join(lines),
        plan='\n'.join(_line(*choice) for choice in plan.values()),
        load=''.join(f', {name}={value!r}' for name, value in load.items()),
        sampler=SAMPLER if plan['batch_size'].value > 2 else '',
    )


def asl_config(plan: Mapping[str, Choice]) -> str:
    """Text of ``my_asl.py``, which inherits ``my_baseline.py`` beside it.

    Args:
        plan: Of :func:`make_plan`.
    """
    return ASL_DENSE if is_dense(plan) else ASL


def is_dense(plan: Mapping[str, Choice]) -> bool:
    """Whether a point learns all actions that happen at it."""
    return plan['match'].value == 'all'


def _line(name: str, value: Any, comment: str) -> str:
    text = (
        f'dict({", ".join(f"{k}={v!r}" for k, v in value.items())})'
        if isinstance(value, dict)
        else repr(value)
    )
    line = f'{name} = {text}'
    if not comment:
        return line
    beside = f'{line}  # {comment}'
    return beside if len(beside) <= WIDE else f'# {comment}\n{line}'
