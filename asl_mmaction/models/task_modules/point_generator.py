"""Where the points of a pyramid lie."""

from collections.abc import Sequence

import torch
from mmaction.registry import TASK_UTILS

from asl_mmaction.structures.points import Points


@TASK_UTILS.register_module()
class PointGenerator:
    """Point t of level l lies at ``t * strides[l]`` grid steps.

    Args:
        strides: Stride of each level in grid steps.
        regress_ranges: Half-open range [low, high) in grid steps for each level.
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
            raise ValueError(
                f'regress_ranges: expected one range for each of the {len(strides)} levels '
                f'but got {len(regress_ranges)}'
            )
        self.strides = list(strides)
        self.regress_ranges = [tuple(map(float, r)) for r in regress_ranges]
        self.offset = 0.5 if half_stride_offset else 0.0

    def __call__(self, lengths: Sequence[int], device: torch.device) -> Points:
        """Points of levels with these numbers of steps, fine to coarse.

        Raises:
            ValueError: If the pyramid has another number of levels than there are strides.
        """
        if len(lengths) != len(self.strides):
            raise ValueError(
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
