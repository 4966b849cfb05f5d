"""What a config says of its data's size, worked out from the data: each choice with its reason.

The rules are those that the configs of the benchmarks follow, as far as these follow any: the table
in docs/own_data.md puts the two side by side. Nothing here looks at the machine.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from asl_mmaction.datasets.preparation.statistics import Statistics

#: Training actions from which the next width is taken -> width, learning rate, steps to train.
WIDTHS = ((0, 128, 5e-4, 1000), (1000, 256, 2e-4, 2000), (2500, 512, 1e-4, 3500))
NARROWEST = (64, 1e-3, 600)
#: Epochs: fewer see too few crops of a recording, more learn it by heart.
EPOCHS = (15, 120)
VALIDATIONS = 8
#: Feature steps of a batch; recordings of one; batches of an epoch at least, where they allow it.
BATCH_STEPS, BATCH_SIZES, BATCHES_OF_EPOCH = 2048, (2, 16), 8
LONGEST_CROP = 2304  # a multiple of each level's stride
LEVELS = (3, 9)
LAST = 10000  # end of the last level's range: none
#: Recordings of so many steps are short enough for attention to all of them.
SHORT_RECORDING = 128
#: Share of the actions' time in which a second one runs: points learn all of them from here on.
DENSE = 0.25
# Share of actions of fewer steps than FEW: they are found on two levels from here on.
MANY_SHORT, FEW = 0.25, 3
RADIUS = 1.5  # strides around the centre of an action: the points that learn it
DETECTIONS = (200, 500, 1000, 2000, 4000, 8000)
#: Bytes of a sample up to which it is read in the training process.
SMALL_SAMPLE = 8 * 2**20


class Choice(NamedTuple):
    """A setting and why it is that.

    Attributes:
        name: Of the variable in the config.
        value: A plain Python value.
        reason: A short phrase.
    """

    name: str
    value: Any
    reason: str


def positives_per_action(
    segments: np.ndarray, regress_ranges: Sequence[tuple[float, float]], radius: float = RADIUS
) -> np.ndarray:
    """(A,) points that each of (A, 2) actions is learned by, if no other is in the way.

    By the rule of :class:`PointAssigner`: points of level l are the multiples of ``2**l`` that lie
    in the segment and nearer to its centre than ``radius`` strides; the larger of their distances
    to start and end is in the level's range.

    Args:
        segments: (A, 2) grid values.
        regress_ranges: Of each level, grid steps.
        radius: In strides.
    """
    start, end = np.asarray(segments, dtype=float).T[:, :, None]  # (A, 1)
    center = (start + end) / 2
    around = np.arange(-math.ceil(radius) - 1, math.ceil(radius) + 2)
    count = np.zeros(len(center), int)
    for level, (low, high) in enumerate(regress_ranges):
        stride = 2**level
        point = (np.round(center / stride) + around) * stride  # (A, few)
        inside = (point > np.maximum(start, center - radius * stride)) & (
            point < np.minimum(end, center + radius * stride)
        )
        reach = np.maximum(point - start, end - point)
        count += (inside & (point >= 0) & (reach >= low) & (reach < high)).sum(1)
    return count


def make_plan(stats: Statistics) -> dict[str, Choice]:
    """The choices by name, in the order in which a config has them."""
    width, lr, wanted_steps, why_width = _width(stats)
    levels, reach = _levels(stats)
    ranges, why_ranges = _ranges(stats, levels)
    positives = positives_per_action(stats.segments, ranges)
    batch, why_batch = _batch(stats)
    epochs, why_epochs = _epochs(stats, batch, wanted_steps)
    window, why_window = _window(stats)
    dense = stats.overlap >= DENSE
    detections = _detections(stats)
    max_len = _max_len(stats, 2 ** (levels - 1))
    small = 4 * stats.feat_dim * min(max_len, stats.median_steps) <= SMALL_SAMPLE
    mean = positives.mean() * stats.actions / stats.recordings * min(batch, stats.recordings)
    low, middle, high = np.percentile(stats.lengths, (1, 50, 99))
    choices = (
        Choice('width', width, why_width),
        Choice(
            'strides',
            [2**level for level in range(levels)],
            f'{levels} levels: 99 of 100 actions are shorter than {reach} steps '
            f'(1st percentile, median, 99th: {low:.3g}, {middle:.3g}, {high:.3g})',
        ),
        Choice('regress_ranges', ranges, why_ranges),
        Choice('window_size', window, why_window),
        Choice(
            'match',
            'all' if dense else 'shortest',
            f'{_percent(stats.overlap)} of the time of actions has a second one: a point learns '
            f'{"all" if dense else "the shortest"} of them'
            if stats.overlap
            else 'no actions overlap',
        ),
        Choice(
            'center_sampling_radius',
            RADIUS,
            f'strides: {positives.mean():.1f} points learn an action'
            + (f'; none {_percent((positives == 0).mean())}' if (positives == 0).any() else ''),
        ),
        Choice(
            'loss_normalizer',
            max(1, _round(mean)),
            f'points of a batch that learn an action, about: {mean:.0f}',
        ),
        Choice(
            'max_per_video',
            detections,
            f'at least 10 for each of the {stats.most_actions} actions of the fullest recording'
            if 10 * stats.most_actions <= detections
            else f'the most that is worth its time; the fullest has {stats.most_actions} actions',
        ),
        Choice('pre_nms_topk', max(2000, detections), 'points that compete for them'),
        Choice(
            'sigma',
            0.7 if dense else 0.5,
            f'of SoftNMS, {"where" if dense else "wider where"} actions hold actions',
        ),
        Choice(
            'voting_threshold',
            0.6 if dense else None,
            'detections of one action are averaged from this tIoU on'
            if dense
            else 'averaging detections pays where actions hold actions',
        ),
        Choice('max_len', max_len, _why_max_len(stats, max_len)),
        Choice('batch_size', batch, why_batch),
        Choice(
            'num_workers',
            0 if small else 4,
            f'a sample of {4 * stats.feat_dim * stats.median_steps / 2**20:.2g} MiB is read '
            f'{"at once" if small else "beside the training"}',
        ),
        Choice('max_epochs', epochs, why_epochs),
        Choice('warmup_epochs', round(epochs / 10), 'a tenth of the training'),
        Choice('val_interval', round(epochs / VALIDATIONS), 'epochs between validations'),
        Choice('lr', lr, f'for width {width}'),
    )
    return {choice.name: choice for choice in choices}


def _width(stats: Statistics) -> tuple[int, float, int, str]:
    _, width, lr, steps = [row for row in WIDTHS if stats.actions >= row[0]][-1]
    why = f'{stats.actions} actions to train on'
    most = 2 ** math.ceil(math.log2(2 * stats.feat_dim))
    if most >= width:
        return width, lr, steps, why
    known = {row[1]: row[1:] for row in WIDTHS}
    width, lr, steps = known.get(most, NARROWEST)
    return width, lr, steps, f'{why}, but features of {stats.feat_dim} channels alone'


def _levels(stats: Statistics) -> tuple[int, int]:
    """Number of levels, and the length that the last but its open range reaches."""
    long = max(np.percentile(stats.lengths, 99), 1.0)
    levels = min(max(math.ceil(math.log2(long)) - 1, LEVELS[0]), LEVELS[1])
    while levels > LEVELS[0] and 2**levels > stats.longest_steps:
        levels -= 1  # a level of a step or two says nothing
    return levels, 2 ** (levels + 1)


def _ranges(stats: Statistics, levels: int) -> tuple[list[tuple[int, int]], str]:
    edges = [0, *(4 * 2**level for level in range(levels - 1)), LAST]
    ranges = list(pairwise(edges))
    short = (stats.lengths < FEW).mean()
    why = f'{_percent(short)} of the actions are shorter than {FEW} steps'
    if short < MANY_SHORT:
        return ranges, f'{why}: ranges side by side'
    return [(low // 2, high) for low, high in ranges], f'{why}: each is found on two levels'


def _window(stats: Statistics) -> tuple[int | None, str]:
    if stats.median_steps <= SHORT_RECORDING:
        return None, f'recordings of {stats.median_steps:g} steps: attention to all of them'
    if stats.covered >= 0.5:
        return 9, f'{_percent(stats.covered)} of the time has an action: neighbours are near'
    return 19, f'{_percent(stats.covered)} of the time has an action: a wide view'


def _batch(stats: Statistics) -> tuple[int, str]:
    least, most = BATCH_SIZES
    by_steps = 2 ** math.floor(math.log2(max(BATCH_STEPS / stats.median_steps, 1)))
    by_count = 2 ** math.floor(math.log2(max(stats.recordings / BATCHES_OF_EPOCH, 1)))
    batch = min(max(min(by_steps, by_count), least), most)
    return batch, f'{stats.recordings} recordings of {stats.median_steps:g} steps (median)'


def _epochs(stats: Statistics, batch: int, wanted: int) -> tuple[int, str]:
    per_epoch = math.ceil(stats.recordings / batch)
    epochs = min(max(round(wanted / per_epoch), EPOCHS[0]), EPOCHS[1])
    least, most = EPOCHS
    aim = f'about {wanted} wanted for this width, in {least} to {most} epochs'
    return epochs, f'{per_epoch} steps each, {epochs * per_epoch} in all; {aim}'


def _detections(stats: Statistics) -> int:
    return next((n for n in DETECTIONS if n >= 10 * stats.most_actions), DETECTIONS[-1])


def _max_len(stats: Statistics, divisor: int) -> int:
    return min(LONGEST_CROP, math.ceil(stats.longest_steps / divisor) * divisor)


def _why_max_len(stats: Statistics, max_len: int) -> str:
    if stats.longest_steps <= max_len:
        return f'steps of a crop at most; the longest recording has {stats.longest_steps}'
    return f'steps of a crop at most; longer recordings, up to {stats.longest_steps}, are cut'


def _round(value: float) -> int:
    """Two digits of a number."""
    return int(float(f'{value:.2g}'))


def _percent(share: float) -> str:
    return '<1 %' if 0 < share < 0.01 else f'{100 * share:.0f} %'
