"""Where the points of a pyramid lie."""

import logging
import math
from collections.abc import Sequence

import torch
from mmaction.registry import TASK_UTILS
from mmengine.logging import print_log

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.structures.points import Points

# Grid steps; a range that ends here or later has no end, as configs write it.
ENDLESS = 10_000


@TASK_UTILS.register_module()
class PointGenerator:
    """Point t of level l lies at ``t * strides[l]`` grid steps.

    Distances that no range holds are warned of: nothing is learned of a segment whose points are
    all at such a distance from its farther end.

    Args:
        strides: Stride of each level in grid steps.
        regress_ranges: Half-open range [low, high) in grid steps for each level. One that ends at
            10000 or later has no end.
        half_stride_offset: Put the points half a stride later, in the middle of their steps.
    """

    def __init__(
        self,
        *,
        strides: Sequence[int],
        regress_ranges: Sequence[Sequence[float]],
        half_stride_offset: bool = False,
    ) -> None:
        if len(strides) != len(regress_ranges):
            raise ValueMistake(
                f'expected regress_ranges to have one range for each of the {len(strides)} levels '
                f'but got {len(regress_ranges)}'
            )
        for pair in regress_ranges:
            if not (isinstance(pair, Sequence) and len(pair) == 2 and 0 <= pair[0] < pair[1]):
                raise ValueMistake(
                    'expected regress_ranges of pairs (low, high) with 0 <= low < high '
                    f'but got {pair}'
                )
        self.strides = list(strides)
        self.regress_ranges = [(float(low), float(high)) for low, high in regress_ranges]
        self.offset = 0.5 if half_stride_offset else 0.0
        if self.gaps:
            missing = ', '.join(f'[{low:g}, {high:g})' for low, high in self.gaps)
            print_log(
                'expected regress_ranges that hold every distance from 0 to 10000 steps '
                f'but got none for {missing}: segments of such lengths are not learned',
                logger='current',
                level=logging.WARNING,
            )

    @property
    def gaps(self) -> list[tuple[float, float]]:
        """The [low, high) in grid steps, from 0 on, that are in the range of no level."""
        found, end = [], 0.0
        for low, high in sorted(self.regress_ranges):
            if low > end:
                found.append((end, low))
            end = max(end, high)
        return found if end >= ENDLESS else [*found, (end, math.inf)]

    def __call__(self, lengths: Sequence[int], device: torch.device) -> Points:
        """Points of levels with these numbers of steps, fine to coarse.

        Raises:
            ValueError: If the pyramid has another number of levels than there are strides.
        """
        if len(lengths) != len(self.strides):
            raise ValueMistake(
                f'head: expected a pyramid of {len(self.strides)} levels (one for each of its '
                f'strides) but got {len(lengths)}'
            )
        columns = []
        for level, (length, stride, bounds) in enumerate(
            zip(lengths, self.strides, self.regress_ranges, strict=True)
        ):
            index = torch.arange(length, dtype=torch.float32, device=device)
            columns.append(
                Points(
                    centers=(index + self.offset) * stride,
                    strides=torch.full_like(index, stride),
                    regress_ranges=torch.stack(
                        [torch.full_like(index, bounds[0]), torch.full_like(index, bounds[1])], -1
                    ),
                    levels=torch.full_like(index, level, dtype=torch.int64),
                )
            )
        return Points(*(torch.cat(column) for column in zip(*columns, strict=True)))
