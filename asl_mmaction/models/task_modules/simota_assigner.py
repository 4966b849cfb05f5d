"""Which ground truth each point has to find, by what the model already predicts."""

import math

import torch
from mmaction.registry import TASK_UTILS
from torch import Tensor, nn

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.models.task_modules.point_assigner import PointAssigner
from asl_mmaction.ops.precision import at_least_float32
from asl_mmaction.structures.candidates import DenseCandidates
from asl_mmaction.structures.point_targets import GroundTruths, PointTargets
from asl_mmaction.structures.points import Points
from asl_mmaction.structures.segments import paired_tiou, segment_centers, segment_durations

# Scores, tIoUs and sensitivities below count as this much: costs stay finite.
LEAST = 1e-7


@TASK_UTILS.register_module()
class SimOTAAssigner(PointAssigner):
    """Assigns to each ground truth the k points that predict it best (YOLOX, Ge et al., 2021).

    A ground truth may have the points that :class:`PointAssigner` lets it have: inside or near its
    centre, on a level in whose range it is. Such a point costs ``-cls_weight * log(score of its
    class) - iou_weight * log(tIoU)`` of its prediction. The ground truth gets the k points that
    cost least, where k is the sum of the ``topk`` highest tIoUs, rounded down, at least 1. Of
    several ground truths that got a point, the one of least cost wins. Ties go to the first point
    and to the first ground truth.

    Args:
        num_classes: Number of classes K.
        center_sampling_radius: In strides of the level; None = the whole segment.
        match: ``'cheapest'``, or ``'all'``: the class target holds the classes of all ground truths
            that got the point; segment and index stay those of the cheapest.
        per_class: Each class of a point has its own segment and index, those of the cheapest
            ground truth of this class that got it; needs ``match='all'``.
        cls_weight: Weight of the classification cost.
        iou_weight: Weight of the tIoU cost.
        topk: Points of a ground truth at most.
        sensitivity_power: With an evaluator's class level: subtracts from the cost
            ``sensitivity_power * log(p_cls * p_loc)`` of the point's position in the ground truth.
    """

    matches = ('cheapest', 'all')
    uses_predictions = True

    def __init__(
        self,
        *,
        num_classes: int,
        center_sampling_radius: float | None = 1.5,
        match: str = 'cheapest',
        per_class: bool = False,
        cls_weight: float = 1.0,
        iou_weight: float = 2.0,
        topk: int = 10,
        sensitivity_power: float = 0.0,
    ) -> None:
        super().__init__(
            num_classes=num_classes,
            center_sampling_radius=center_sampling_radius,
            match=match,
            per_class=per_class,
        )
        weights = dict(
            cls_weight=cls_weight, iou_weight=iou_weight, sensitivity_power=sensitivity_power
        )
        for name, value in weights.items():
            if not (math.isfinite(value) and value >= 0):
                raise ValueMistake(f'expected {name} of the assigner >= 0 but got {value}')
        if type(topk) is not int or topk < 1:
            raise ValueMistake(f'expected topk of the assigner, an int >= 1, but got {topk!r}')
        self.cls_weight = cls_weight
        self.iou_weight = iou_weight
        self.topk = topk
        self.sensitivity_power = sensitivity_power

    @torch.no_grad()
    def __call__(  # type: ignore[override]
        self,
        points: Points,
        ground_truths: GroundTruths,
        predictions: DenseCandidates,
        class_level: nn.Module | None = None,
    ) -> PointTargets:
        """Assign a whole batch at once; shapes do not depend on values.

        Args:
            points: P points.
            ground_truths: (N, G) of them; G >= 1 (padding, if a batch has none).
            predictions: Of the points; those outside of the masks stay background.
            class_level: Of the evaluator, for ``sensitivity_power``.

        Returns:
            Targets of (N, P) points, or of their (N, P, K) classes.

        Raises:
            ValueError: There is a ``sensitivity_power`` but no class level.
        """
        if self.sensitivity_power and class_level is None:
            raise ValueMistake(
                'expected head.sensitivity with a class_level, for sensitivity_power of the '
                'assigner, but got none'
            )
        candidate = self.find_candidates(points, ground_truths) & predictions.masks[..., None]
        cost, tiou = self.costs(points, ground_truths, predictions, class_level)
        chosen = self.choose(candidate, cost, tiou)
        return self.make_targets(chosen, cost, 0.0, ground_truths)

    def find_learnable(self, points: Points, ground_truths: GroundTruths) -> Tensor:
        """See :class:`PointAssigner`: a prediction may choose any of those that fit."""
        return self.find_candidates(points, ground_truths)

    def costs(
        self,
        points: Points,
        ground_truths: GroundTruths,
        predictions: DenseCandidates,
        class_level: nn.Module | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Cost and tIoU of every point for every ground truth, both (N, P, G); see the class."""
        truths = at_least_float32(ground_truths.segments)[:, None]  # (N, 1, G, 2)
        labels = ground_truths.labels[:, None].expand(-1, len(points.centers), -1)  # (N, P, G)
        segments = predictions.segments
        if segments.dim() == 4:  # each class has its own
            segments = segments.gather(2, labels[..., None].expand(-1, -1, -1, 2))
        else:
            segments = segments[:, :, None]
        tiou = paired_tiou(segments, truths)
        score = predictions.scores.gather(2, labels)
        cost = -self.cls_weight * _log(score) - self.iou_weight * _log(tiou)
        if self.sensitivity_power and class_level is not None:
            middle, length = segment_centers(truths), segment_durations(truths)
            distance = (points.centers[:, None] - middle) / length.clamp(min=LEAST)
            for p in class_level(distance, labels):
                if p is not None:
                    cost = cost - self.sensitivity_power * _log(p)
        return cost, tiou

    def choose(self, candidate: Tensor, cost: Tensor, tiou: Tensor) -> Tensor:
        """The k candidates of each ground truth that cost least.

        Args:
            candidate: (N, P, G) bool.
            cost: (N, P, G), finite.
            tiou: (N, P, G).

        Returns:
            (N, P, G) bool.
        """
        most = min(self.topk, candidate.size(1))
        best = torch.where(candidate, tiou, 0.0).topk(most, dim=1).values
        k = best.sum(1, keepdim=True).long().clamp(min=1)  # (N, 1, G)
        cost = torch.where(candidate, cost, float('inf'))
        lowest = cost.topk(most, dim=1, largest=False).values  # ascending
        last = lowest.gather(1, k - 1)
        # topk says nothing of the order of equals: the first points are taken.
        below, equal = cost < last, cost == last
        left = k - below.sum(1, keepdim=True)
        return candidate & (below | (equal & (equal.cumsum(1) <= left)))


def _log(value: Tensor) -> Tensor:
    return value.clamp(min=LEAST).log()
