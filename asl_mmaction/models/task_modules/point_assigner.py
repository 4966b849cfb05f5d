"""Which ground truth each point has to find."""

import torch
from mmaction.registry import TASK_UTILS
from torch import Tensor

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.ops.precision import at_least_float32
from asl_mmaction.structures.point_targets import GroundTruths, PointTargets
from asl_mmaction.structures.points import Points
from asl_mmaction.structures.segments import segment_durations

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
        per_class: Each class of a point has its own segment and index, those of the shortest
            ground truth of this class that fits; needs ``match='all'``.
    """

    #: Values of ``match``: the ground truth that leads, or all.
    matches: tuple[str, str] = ('shortest', 'all')
    #: Whether :meth:`__call__` takes what the head predicts as well.
    uses_predictions = False

    def __init__(
        self,
        *,
        num_classes: int,
        center_sampling_radius: float | None = 1.5,
        match: str = 'shortest',
        per_class: bool = False,
    ) -> None:
        if match not in self.matches:
            expected = ' or '.join(map(repr, self.matches))
            raise ValueMistake(f'expected match to be {expected} but got {match!r}')
        if center_sampling_radius is not None and not center_sampling_radius > 0:
            raise ValueMistake(
                'expected center_sampling_radius of the assigner > 0, or None for the whole '
                f'segment, but got {center_sampling_radius}'
            )
        if per_class and match != 'all':
            raise ValueMistake(f"expected match to be 'all' with per_class but got {match!r}")
        self.num_classes = num_classes
        self.center_sampling_radius = center_sampling_radius
        self.match = match
        self.per_class = per_class

    @torch.no_grad()
    def __call__(self, points: Points, ground_truths: GroundTruths) -> PointTargets:
        """Assign a whole batch at once; shapes do not depend on values.

        Args:
            points: P points.
            ground_truths: (N, G) of them; G >= 1 (padding, if a batch has none).

        Returns:
            Targets of (N, P) points, or of their (N, P, K) classes.
        """
        candidate = self.find_candidates(points, ground_truths)
        return self.make_targets(candidate, _lengths(ground_truths), SAME_LENGTH, ground_truths)

    def find_candidates(self, points: Points, ground_truths: GroundTruths) -> Tensor:
        """Which ground truths fit a point by its place and level: (N, P, G) bool."""
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
        return inside & (reach >= low) & (reach < high) & ground_truths.masks[:, None]

    def find_learnable(self, points: Points, ground_truths: GroundTruths) -> Tensor:
        """Which ground truths a point may have to find, whatever a model predicts.

        Each counts as one of a class of its own.

        Returns:
            (N, P, G) bool.
        """
        candidate = self.find_candidates(points, ground_truths)
        if self.match == 'all':
            return candidate
        return _keep_lowest(candidate, _lengths(ground_truths), SAME_LENGTH)

    def make_targets(
        self, candidate: Tensor, cost: Tensor, tolerance: float, ground_truths: GroundTruths
    ) -> PointTargets:
        """Targets of points from the ground truths that they may have; that of least cost leads.

        Args:
            candidate: (N, P, G) bool.
            cost: (N, P, G), or (N, 1, G): the same for all points.
            tolerance: Costs that differ by at most this much are equal.
            ground_truths: (N, G) of them.
        """
        segments, labels = ground_truths.segments, ground_truths.labels
        segments = at_least_float32(segments)
        if self.per_class:
            return self._assign_classes(candidate, cost, tolerance, segments, labels)
        tied = _keep_lowest(candidate, cost, tolerance)
        index = torch.arange(tied.size(-1), device=tied.device)
        first = torch.where(tied, index, tied.size(-1)).amin(-1)  # (N, P)
        positive = tied.any(-1)
        first = first.clamp(max=tied.size(-1) - 1)

        # Compared, as F.one_hot reads the labels' range back from the device.
        classes = torch.arange(self.num_classes, device=tied.device)
        one_hot = (labels[..., None] == classes).to(segments)  # (N, G, K)
        matched = candidate if self.match == 'all' else tied
        return PointTargets(
            class_targets=(matched.to(one_hot) @ one_hot).clamp(max=1.0),
            segments=_gather(segments, first),
            gt_inds=torch.where(positive, first, -1),
            gt_labels=labels.gather(1, first) * positive,
            num_gts=segments.size(1),
        )

    def _assign_classes(
        self, candidate: Tensor, cost: Tensor, tolerance: float, segments: Tensor, labels: Tensor
    ) -> PointTargets:
        """The ground truth of least cost of each class.

        Args:
            candidate: (N, P, G) bool, whether a point may have a ground truth.
            cost: (N, P or 1, G).
            tolerance: Of costs.
            segments: (N, G, 2) grid.
            labels: (N, G).
        """
        num_gts = candidate.size(-1)
        cost = torch.where(candidate, cost, float('inf'))
        column = labels[:, None].expand_as(cost)  # the class of each ground truth
        shape = *cost.shape[:2], self.num_classes
        lowest = cost.new_full(shape, float('inf')).scatter_reduce(2, column, cost, 'amin')
        tied = candidate & (cost <= lowest.gather(2, column) + tolerance)
        index = torch.where(tied, torch.arange(num_gts, device=tied.device), num_gts)
        first = index.new_full(shape, num_gts).scatter_reduce(2, column, index, 'amin')
        positive = first < num_gts  # (N, P, K)
        first = first.clamp(max=num_gts - 1)
        classes = torch.arange(self.num_classes, device=tied.device)
        return PointTargets(
            class_targets=positive.to(segments),
            segments=_gather(segments, first.flatten(1)).unflatten(1, shape[1:]),
            gt_inds=torch.where(positive, first, -1),
            gt_labels=classes * positive,
            num_gts=num_gts,
        )


def _lengths(ground_truths: GroundTruths) -> Tensor:
    return segment_durations(at_least_float32(ground_truths.segments))[:, None]  # (N, 1, G)


def _keep_lowest(candidate: Tensor, cost: Tensor, tolerance: float) -> Tensor:
    """The candidates (N, P, G) of a point whose cost is the least, up to a tolerance."""
    cost = torch.where(candidate, cost, float('inf'))
    return candidate & (cost <= cost.amin(-1, keepdim=True) + tolerance)


def _gather(segments: Tensor, index: Tensor) -> Tensor:
    return segments.gather(1, index.unsqueeze(-1).expand(-1, -1, 2))  # (N, P, 2)
