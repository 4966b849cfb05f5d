"""Ground truths that no point of a model is assigned to: nothing is learned of them."""

from __future__ import annotations

import copy
import logging
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from asl_mmaction.apis.datasets import find_datasets
from asl_mmaction.datasets import TALDataset
from asl_mmaction.datasets.transforms import RandomTruncate, ResizeFeature
from asl_mmaction.structures.feature_grid import FeatureGrid
from asl_mmaction.structures.point_targets import GroundTruths
from asl_mmaction.structures.points import Points

#: Steps looked at together, a little more for strides that do not divide it; and the numbers in an
#: array of the assigner, (stretches, points, segments): small ones stay in a processor's cache.
STRETCH, BATCH_SIZE = 128, 1 << 18
#: T, and (G, 2) segments on the grid.
Item = tuple[int, np.ndarray]


class Video(NamedTuple):
    """A video as a model is trained on it, apart from random crops.

    Attributes:
        name: Of the video.
        grid: Of its steps.
        num_steps: T.
        segments: (G, 2) float64, seconds.
        labels: (G,) int64.
        keepable: (G,) bool, False where no crop can keep the segment.
    """

    name: str
    grid: FeatureGrid
    num_steps: int
    segments: np.ndarray
    labels: np.ndarray
    keepable: np.ndarray


class Uncovered(NamedTuple):
    """A ground truth without a point.

    Attributes:
        reason: Why, such as ``'between two steps'``.
        video: Name of its video.
        segment: (2,) start and end, seconds.
        length: Grid steps.
        label: Its class.
    """

    reason: str
    video: str
    segment: np.ndarray
    length: float
    label: int


def as_trained(sample: Mapping, transforms: Sequence, num_steps: int | None = None) -> Video:
    """A sample of :class:`TALDataset` behind the temporal transforms of its pipeline.

    Args:
        sample: Before the pipeline.
        transforms: The pipeline's.
        num_steps: Of the feature file; None = what duration and grid make.
    """
    grid, segments = sample['grid'], sample['segments']
    total = max(1, grid.num_steps(sample['duration']) if num_steps is None else num_steps)
    keepable = np.ones(len(segments), dtype=bool)
    for transform in transforms:
        if isinstance(transform, ResizeFeature):
            resized = transform({'feature': np.zeros((total, 1), np.float32), 'grid': grid})
            grid, total = resized['grid'], len(resized['feature'])
        elif isinstance(transform, RandomTruncate):
            keepable &= transform.can_keep(segments, grid, total)
    return Video(sample['video_name'], grid, total, segments, sample['labels'], keepable)


def find_uncovered(videos: Iterable[Video], head: Any) -> list[Uncovered]:
    """The ground truths of a data set that no point of a head is assigned to.

    Computed with the head's own point generator and assigner, on whole videos: crops begin at any
    step. What no crop can keep is found besides.

    Args:
        videos: Of the data set.
        head: With ``point_generator`` and ``assigner``.
    """
    filled = [video for video in videos if len(video.segments)]
    found = []
    items = [(video.num_steps, video.grid.to_grid(video.segments)) for video in filled]
    for video, covered in zip(filled, _covered(items, head), strict=True):
        found += [(video, int(index)) for index in np.flatnonzero(~(covered & video.keepable))]
    return [
        Uncovered(
            reason,
            video.name,
            video.segments[index],
            float(np.diff(video.grid.to_grid(video.segments[index]))[0]),
            int(video.labels[index]),
        )
        for (video, index), reason in zip(found, _reasons(found, head), strict=True)
    ]


def warn_of_uncovered(model: nn.Module, dataset: Dataset) -> None:
    """Say in one line for each data set how many of its segments nothing is learned of.

    Reads no feature: the numbers of steps are those that durations and grids make. Says nothing of
    models whose head has no point assigner, and of other data sets than :class:`TALDataset`.

    Args:
        model: May be wrapped for distributed training.
        dataset: Built, to be trained on; may be wrapped.
    """
    head = getattr(model.module if is_model_wrapper(model) else model, 'head', None)
    if getattr(head, 'assigner', None) is None:
        return
    for part in find_datasets(dataset).values():
        if not isinstance(part, TALDataset):
            continue
        samples = (part.get_data_info(index) for index in range(len(part)))
        videos = [as_trained(sample, part.pipeline.transforms) for sample in samples]
        uncovered = find_uncovered(videos, head)
        if uncovered:
            reasons = Counter(item.reason for item in uncovered).most_common()
            print_log(
                f'{part.ann_file}: nothing can be learned of {len(uncovered)} of '
                f'{sum(len(video.segments) for video in videos)} segments, which have no point: '
                f'{", ".join(f"{count} {reason}" for reason, count in reasons)}; '
                '`python tools/data/check.py CONFIG` names them',
                logger='current',
                level=logging.WARNING,
            )


def _covered(
    items: Sequence[Item], head: Any, *, any_length: bool = False, whole: bool = False
) -> list[np.ndarray]:
    """Which segments have a point.

    Videos are looked at in stretches of one length, whose points are the same: many at a time, each
    with the few segments that reach into it.

    Args:
        items: Videos.
        head: With the generator and the assigner.
        any_length: As if every level were responsible for segments of every length.
        whole: As if the whole segment were sampled, not its centre.

    Returns:
        (G,) bool of each video.
    """
    period = math.lcm(*head.point_generator.strides)
    length = period * math.ceil(STRETCH / period)
    points = head.point_generator(
        [length // stride for stride in head.point_generator.strides], torch.device('cpu')
    )
    assigner = copy.copy(head.assigner)
    if any_length:
        ranges = torch.tensor([0.0, math.inf]).expand(len(points.centers), 2)
        points = points._replace(regress_ranges=ranges)
    if whole:
        assigner.center_sampling_radius = None
    found = [np.zeros(len(segments), dtype=bool) for _, segments in items]
    stretches = sorted(_stretches(items, length), key=lambda stretch: len(stretch[2]))
    # The last of them has the most segments.
    size = max(1, BATCH_SIZE // (len(points.centers) * len(stretches[-1][2]))) if stretches else 1
    for first in range(0, len(stretches), size):
        batch = stretches[first : first + size]
        starts = torch.tensor([start for _, start, _ in batch], dtype=torch.float64)
        left = torch.tensor([items[item][0] for item, *_ in batch]) - starts  # steps to the end
        near_by = [torch.from_numpy(items[item][1][near]) for item, _, near in batch]
        masks = pad_sequence([torch.ones(len(x), dtype=torch.bool) for x in near_by], True)
        segments = (pad_sequence(near_by, True) - starts[:, None, None]).float()
        rows = _assign(assigner, points, left, segments, masks)
        for row, (item, _, near) in zip(rows.numpy(), batch, strict=True):
            found[item][near] |= row[: len(near)]
    return found


def _stretches(items: Sequence[Item], length: int) -> Iterator[tuple[int, int, np.ndarray]]:
    """(item, first step, the segments that reach into it) of all stretches that have segments."""
    for item, (steps, segments) in enumerate(items):
        for start in range(0, steps, length):
            near = np.flatnonzero((segments[:, 1] > start) & (segments[:, 0] < start + length))
            if len(near):
                yield item, start, near


def _assign(
    assigner: Any, points: Points, steps: Tensor, segments: Tensor, masks: Tensor
) -> Tensor:
    """Which of the segments (N, G, 2) with masks (N, G) have one of P points; (N, G) bool."""
    truths = GroundTruths(segments, torch.zeros_like(masks, dtype=torch.int64), masks)
    learnable = assigner.find_learnable(points, truths)
    # As a pyramid masks its levels: by the first step of each of its own.
    valid = (points.centers // points.strides * points.strides) < steps[:, None]
    return (learnable & valid[..., None]).any(1)


def _reasons(found: Sequence[tuple[Video, int]], head: Any) -> list[str]:
    """Why segments, given by video and index, have no point: each is looked at alone."""
    items = [(video.num_steps, video.grid.to_grid(video.segments[[i]])) for video, i in found]
    alone = _covered(items, head)
    reachable = _covered(items, head, any_length=True, whole=True)
    loosened = {
        'of a length in no regress_range': _covered(items, head, any_length=True),
        'missed by center sampling': _covered(items, head, whole=True),
    }
    if not head.point_generator.gaps:  # then a range is the last to blame
        loosened = dict(reversed(loosened.items()))
    reasons = []
    for row, (video, index) in enumerate(found):
        if alone[row][0]:
            kept = video.keepable[index]
            reasons.append('hidden by shorter ones' if kept else 'too long for every crop')
        elif reachable[row][0]:
            helping = [reason for reason, covered in loosened.items() if covered[row][0]]
            reasons.append([*helping, *loosened][0])
        else:
            reasons.append(_place(video, index, head))
    return reasons


def _place(video: Video, index: int, head: Any) -> str:
    """Where a segment lies that holds no point of any level."""
    start, end = video.grid.to_grid(video.segments[index])
    first = head.point_generator.offset
    if end <= first:
        return 'before the first step'
    return 'behind the last step' if start >= first + video.num_steps - 1 else 'between two steps'
