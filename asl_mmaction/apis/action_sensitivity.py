"""What a trained evaluator says of each frame of a recording."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from torch import Tensor, nn

from asl_mmaction.apis.model import check_sensitivity, load_beside_data
from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.files.writing import hint_at_nearest, hint_at_same_name
from asl_mmaction.structures.feature_grid import FeatureGrid
from asl_mmaction.structures.point_targets import GroundTruths, PointTargets
from asl_mmaction.structures.points import Points
from asl_mmaction.structures.sensitivity import Sensitivity
from asl_mmaction.visualization import ActionSensitivity, Recording

CURVE = 65  # positions of p along an action


@torch.no_grad()
def read_action_sensitivity(
    config: str | os.PathLike | Config, checkpoint: str | os.PathLike, video: str
) -> tuple[Recording, list[ActionSensitivity]]:
    """A recording of the test data, and p, q and h of each of its ground truths.

    Targets and weights are those of a training step on that recording.

    Args:
        config: see :func:`~asl_mmaction.apis.load_config`.
        checkpoint: of a training with that config.
        video: name of a recording of ``test_dataloader``.

    Raises:
        ValueMistake: the model has no sensitivity, the checkpoint does not fit it, or there is no
            such recording.
    """
    config, model, classes, dataset = load_beside_data(
        config, checkpoint, 'test_dataloader', check_sensitivity, with_sensitivity=True
    )
    names = [dataset.get_data_info(index)['video_name'] for index in range(len(dataset))]
    if video not in names:
        hint = hint_at_same_name(video, names) or hint_at_nearest([video], names)
        raise ValueMistake(f'expected a recording of test_dataloader but got {video!r}{hint}')
    packed = dataset[names.index(video)]
    sample = packed['data_samples']
    batch = model.data_preprocessor(pseudo_collate([packed]), training=True)
    feats, masks = model.extract_feat(batch['inputs'], batch['masks'])
    outputs, points, mask = model.head(feats, masks)
    truths = batch['ground_truths']
    targets = model.head.assign(outputs, points, mask, truths)
    sensitivity = model.head.sensitivity(feats, masks, points, targets)
    actions = [
        _action(
            index,
            classes,
            sample.grid,
            mask[0],
            points,
            targets,
            truths,
            sensitivity,
            model.head.sensitivity.class_level,
        )
        for index in range(int(truths.masks.sum()))
    ]
    rows = [{'label': x.label, 'segment': x.segment} for x in actions]
    return Recording(video, float(sample.duration), {}, rows, classes=classes), actions


def _action(
    index: int,
    classes: Sequence[str],
    grid: FeatureGrid,
    mask: Tensor,
    points: Points,
    targets: PointTargets,
    truths: GroundTruths,
    sensitivity: Sensitivity,
    class_level: nn.Module | None,
) -> ActionSensitivity:
    """Of one ground truth of the only recording of a batch."""
    start, end = truths.segments[0, index].double()
    label = truths.labels[0, index]

    d = torch.linspace(-0.5, 0.5, CURVE)
    p = (None, None) if class_level is None else class_level(d, label.expand(CURVE))
    # (P,) of the recording, or of its class
    of_points = (0, ..., label) if targets.gt_inds.dim() == 3 else (0,)
    trained = targets.gt_inds[of_points] == index
    level = points.levels[trained].mode().values if trained.any() else -1
    inside = mask & (points.levels == level) & (start <= points.centers) & (points.centers <= end)
    if sensitivity.quality is None:
        q = torch.full((int(inside.sum()), 2), torch.nan)
    else:
        q = sensitivity.quality[0, inside]
    h = torch.stack([x[of_points][trained] for x in (sensitivity.cls, sensitivity.loc)], dim=-1)
    columns = [torch.full((CURVE,), torch.nan) if x is None else x for x in p]
    return ActionSensitivity(
        label=classes[int(label)],
        segment=(float(grid.to_seconds(start)), float(grid.to_seconds(end))),
        p_times=_seconds(grid, (start + end) / 2 + d.double() * (end - start)),
        p=torch.stack(columns, dim=-1).double().numpy(),
        q_times=_seconds(grid, points.centers[inside]),
        q=q.double().numpy(),
        h_times=_seconds(grid, points.centers[trained]),
        h=h.double().numpy(),
    )


def _seconds(grid: FeatureGrid, steps: Tensor) -> np.ndarray:
    return grid.to_seconds(steps.double()).numpy()
