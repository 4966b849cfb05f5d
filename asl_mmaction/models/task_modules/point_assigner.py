"""Which ground truth each point has to find."""

import torch
from mmaction.registry import TASK_UTILS
from torch import Tensor

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.ops.precision import at_least_float32
from asl_mmaction.structures.point_targets import GroundTruths, PointTargets
from asl_mmaction.structures.points import Points

# Ground truths whose lengths differ by at most this many grid steps count as equally short.
SAME_LENGTH = 1e-3


@TASK_UTILS.register_module()
class PointAssigner:
    """Assigns to each point the shortest ground truth that it lies in and its level can reach.

    A point is positive inside the segment, or within ``center_sampling_radius`` strides of its
    centre (cut to the segment), if the larger of its distances to start and end is in the range of
    its level. Of several ground truths the shortest wins; ties (within 1e-3 grid steps) make
    the class target multi-hot, while segment and index are those of the first.

    Args:
        num_classes: Number of classes K.
        center_sampling_radius: In strides of the level; None = the whole segment.
        match: ``'shortest'``, or ``'all'``: the class target holds the classes of all ground truths
            that fit the point, as suits videos dense with overlapping actions; segment and index
            stay those of the shortest.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        center_sampling_radius: float | None = 1.5,
        match: str = 'shortest',
    ) -> None:
        if match not in ('shortest', 'all'):
            raise ValueMistake(f"expected match to be 'shortest' or 'all' but got {match!r}")
        self.num_classes = num_classes
        self.center_sampling_radius = center_sampling_radius
        self.match = match

    @torch.no_grad()
    def __call__(self, points: Points, ground_truths: GroundTruths) -> PointTargets:
        """Assign a whole batch at once; shapes do not depend on values.

        Args:
            points: P points.
            ground_truths: (N, G) of them; G >= 1 (padding, if a batch has none).

        Returns:
            Targets of (N, P) points.
        """
        segments = at_least_float32(ground_truths.segments)  # (N, G, 2)
        start, end = segments[:, None, :, 0], segments[:, None, :, 1]  # (N, 1, G)
        center = points.centers[None, :, None]  # (1, P, 1)
        left, right = center - start, end - center  # (N, P, G)
        if self.center_sampling_radius is None:
            inside = (left > 0) & (right > 0)
        else:
            radius = points.strides[None, :, None] * self.center_sampling_radius
            middle = (start + end) / 2
            low = torch.maximum(start, middle - radius)
            high = torch.minimum(end, middle + radius)
            inside = (center > low) & (center < high)
        reach = torch.maximum(left, right)
        low, high = points.regress_ranges[None, :, None].unbind(-1)
        candidate = inside & (reach >= low) & (reach < high) & ground_truths.masks[:, None]

        length = (end - start).expand_as(left).masked_fill(~candidate, float('inf'))  # (N, P, G)
        shortest = length.amin(-1, keepdim=True)
        tied = candidate & (length <= shortest + SAME_LENGTH)
        index = torch.arange(tied.size(-1), device=tied.device)
        first = torch.where(tied, index, tied.size(-1)).amin(-1)  # (N, P)
        positive = tied.any(-1)
        first = first.clamp(max=tied.size(-1) - 1)

        # Compared, as F.one_hot reads the labels' range back from the device.
        classes = torch.arange(self.num_classes, device=tied.device)
        one_hot = (ground_truths.labels[..., None] == classes).to(segments)  # (N, G, K)
        matched = candidate if self.match == 'all' else tied
        return PointTargets(
            class_targets=(matched.to(one_hot) @ one_hot).clamp(max=1.0),
            segments=_gather(segments, first),
            gt_inds=torch.where(positive, first, -1),
            gt_labels=ground_truths.labels.gather(1, first) * positive,
            num_gts=segments.size(1),
        )


def _gather(segments: Tensor, index: Tensor) -> Tensor:
    return segments.gather(1, index.unsqueeze(-1).expand(-1, -1, 2))  # (N, P, 2)
