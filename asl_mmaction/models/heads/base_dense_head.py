"""Template of the heads that predict at every point of a pyramid."""

import math
from abc import ABCMeta, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from mmaction.registry import MODELS, TASK_UTILS
from mmengine import dist
from mmengine.model import BaseModule
from torch import Tensor, nn

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.models.layers import PackedPyramid, pack_pyramid
from asl_mmaction.ops.precision import at_least_float32
from asl_mmaction.structures.candidates import DenseCandidates
from asl_mmaction.structures.point_targets import GroundTruths, PointTargets
from asl_mmaction.structures.points import Points
from asl_mmaction.structures.segments import paired_tiou
from asl_mmaction.structures.sensitivity import QualityTargets


class HeadOutputs(NamedTuple):
    """Raw predictions. A head that predicts more has a tuple of its own, with ``cls_logits`` first.

    Attributes:
        cls_logits: (N, P, K).
        offsets: (N, P, 2), or (N, P, K, 2) where each class has its own: what
            :meth:`BaseDenseHead.decode` turns into segments, distances to start and end in strides.
    """

    cls_logits: Tensor
    offsets: Tensor


class BaseDenseHead(BaseModule, metaclass=ABCMeta):
    """Points, targets, sensitivity and losses of a dense head; a child predicts and decodes.

    Args:
        num_classes: Number of classes K.
        in_channels: Width C of the pyramid.
        strides: Stride of each level in grid steps.
        regress_ranges: [low, high) of each level in grid steps.
        half_stride_offset: Points lie half a stride later.
        assigner: Config of the point assigner; without a type it is ``PointAssigner``.
        per_class: A point may belong to several actions: each class of a point regresses to its
            own ground truth and has its own sensitivity. Needs an assigner with ``match='all'``.
            Where no point has two actions, the losses are those without it.
        loss_cls: Config of the classification loss, element-wise over (N, P, K).
        loss_loc: Config of the localization loss, element-wise over (N, P).
        sensitivity: Config of the evaluator that weighs both (the head adds ``num_classes`` and
            ``in_channels``); None = plain baseline.
        loss_contrast: Config of the contrastive loss on level-0 features; None = without.
        iou_power: Exponent e, as TriDet has it: the classification loss of a positive point is
            multiplied, for the classes that it is positive for, by ``tIoU ** e`` of its predicted
            and its matched segment. 0 = by 1.
        cls_target: What the classification of a positive point learns for the classes that it is
            positive for: ``'class'``: 1; ``'tiou'``: the tIoU of its predicted and its matched
            segment, as suits a ``VarifocalLoss``.
        loss_normalizer: Start of the moving average of the number of positives that divides both
            losses, or ``'batch'`` for the plain count of the batch.
        normalizer_momentum: Momentum of that average.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: int,
        strides: Sequence[int],
        regress_ranges: Sequence[Sequence[float]],
        half_stride_offset: bool = False,
        assigner: dict | None = None,
        per_class: bool = False,
        loss_cls: dict | None = None,
        loss_loc: dict | None = None,
        sensitivity: dict | None = None,
        loss_contrast: dict | None = None,
        iou_power: float = 0.0,
        cls_target: str = 'class',
        loss_normalizer: float | str = 100.0,
        normalizer_momentum: float = 0.9,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        is_number = isinstance(loss_normalizer, int | float) and 0 < loss_normalizer < math.inf
        if loss_normalizer != 'batch' and not is_number:
            raise ValueMistake(
                "expected loss_normalizer to be a number > 0 or 'batch' but got "
                f'{loss_normalizer!r}'
            )
        if not 0 <= normalizer_momentum <= 1:
            raise ValueMistake(
                f'expected normalizer_momentum in [0, 1] but got {normalizer_momentum}'
            )
        if not 0 <= iou_power < math.inf:
            raise ValueMistake(f'expected iou_power >= 0 but got {iou_power}')
        if cls_target not in ('class', 'tiou'):
            raise ValueMistake(
                f"expected cls_target to be 'class' or 'tiou' but got {cls_target!r}"
            )
        self.iou_power = iou_power
        self.cls_target = cls_target
        self.per_class = per_class
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.point_generator = TASK_UTILS.build(
            dict(
                type='PointGenerator',
                strides=strides,
                regress_ranges=regress_ranges,
                half_stride_offset=half_stride_offset,
            )
        )
        self.assigner = TASK_UTILS.build(
            {'type': 'PointAssigner', **(assigner or {})},
            default_args=dict(
                num_classes=num_classes, **({'per_class': True} if per_class else {})
            ),
        )
        if getattr(self.assigner, 'per_class', per_class) != per_class:
            raise ValueMistake(
                'expected per_class in the head alone, whose assigner follows it, but got '
                f'per_class={self.assigner.per_class} in head.assigner'
            )
        self.loss_cls = MODELS.build(loss_cls or dict(type='SigmoidFocalLoss'))
        self.loss_loc = MODELS.build(loss_loc or dict(type='SegmentDIoULoss'))
        self.loss_contrast = None if loss_contrast is None else MODELS.build(loss_contrast)
        self.normalizer_momentum = normalizer_momentum
        self.normalizer: Tensor | None
        start = None if loss_normalizer == 'batch' else torch.tensor(float(loss_normalizer))
        self.register_buffer('normalizer', start)
        self.build_layers()
        # Last, so that the layers draw the same initial weights with it and without it.
        self.sensitivity: Any = None
        if sensitivity is not None:
            sizes = dict(num_classes=num_classes, in_channels=in_channels)
            self.sensitivity = MODELS.build(sensitivity, default_args=sizes)

    @abstractmethod
    def build_layers(self) -> None:
        """Create the layers of the head."""

    @abstractmethod
    def predict_points(self, pyramid: PackedPyramid, points: Points) -> Any:
        """Raw predictions of all (N, P) points: :class:`HeadOutputs`, or a tuple of the child's."""

    @abstractmethod
    def decode(self, points: Points, outputs: Any, labels: Tensor | None = None) -> Tensor:
        """Segments on the grid.

        Args:
            points: P points.
            outputs: Of :meth:`predict_points`.
            labels: (N, P) int64 class of which to decode the segment, for heads that predict
                one segment per class; None = of all classes.

        Returns:
            (N, P, 2), or (N, P, K, 2) of all classes from heads that predict one per class.
        """

    def forward(
        self, feats: Sequence[Tensor], masks: Sequence[Tensor]
    ) -> tuple[Any, Points, Tensor]:
        """Predict.

        Args:
            feats: L levels (N, T_l, C), zero on padding.
            masks: L masks (N, T_l).

        Returns:
            Raw predictions, the P points, and the (N, P) bool mask of the valid ones.
        """
        pyramid = pack_pyramid(feats, masks)
        points = self.point_generator(pyramid.lengths, feats[0].device)
        return self.predict_points(pyramid, points), points, torch.cat(list(masks), dim=1)

    def loss(
        self, feats: Sequence[Tensor], masks: Sequence[Tensor], ground_truths: GroundTruths
    ) -> dict[str, Tensor]:
        """Training losses, each under its own key (eq. 15).

        Args:
            feats: L levels (N, T_l, C).
            masks: L masks (N, T_l).
            ground_truths: (N, G) of them, on the grid.
        """
        outputs, points, mask = self(feats, masks)
        targets = self.assign(outputs, points, mask, ground_truths)
        losses = self.loss_by_feat(outputs, points, mask, targets, feats, masks, ground_truths)
        if self.loss_contrast is not None:
            losses['loss_ascl'] = self.loss_contrast(
                feats[0], masks[0], ground_truths, self._class_level
            )
        return losses

    @torch.no_grad()
    def assign(
        self, outputs: Any, points: Points, mask: Tensor, ground_truths: GroundTruths
    ) -> PointTargets:
        """What each point has to learn in a training step.

        Args:
            outputs: Raw predictions, which some assigners ask.
            points: P points.
            mask: (N, P) bool, the valid ones.
            ground_truths: (N, G) of them, on the grid.
        """
        if self.assigner.uses_predictions:
            found = self._candidates(outputs, points, mask)
            targets = self.assigner(points, ground_truths, found, self._class_level)
        else:
            targets = self.assigner(points, ground_truths)
        return targets.within(mask)

    def loss_by_feat(
        self,
        outputs: Any,
        points: Points,
        mask: Tensor,
        targets: PointTargets,
        feats: Sequence[Tensor],
        level_masks: Sequence[Tensor],
        ground_truths: GroundTruths,
    ) -> dict[str, Tensor]:
        """Weighted losses of raw predictions (eq. 8-10), masked by weights.

        Dense over (N, P), or with ``per_class`` over (N, P, K).
        """
        positives = targets.positives
        weight_cls, weight_loc = mask.float()[..., None], positives.float()
        if self.sensitivity is not None:
            sensitivity = self.sensitivity(feats, level_masks, points, targets)
            h_cls = sensitivity.cls if self.per_class else sensitivity.cls[..., None]
            weight_cls = weight_cls * h_cls  # (N, P, 1 or K)
            weight_loc = weight_loc * sensitivity.loc
        num_positives = self._count(positives)
        avg_factor = self._avg_factor(num_positives)
        segments = self.decode(points, outputs, None if self.per_class else targets.gt_labels)
        # Background points regress to nothing: give them a segment that is never degenerate.
        dummy = torch.stack([points.centers, points.centers + 1], dim=-1)
        dummy = (dummy[:, None] if self.per_class else dummy).expand_as(segments)
        pred = torch.where(positives[..., None], segments, dummy)
        target = torch.where(positives[..., None], targets.segments, dummy)
        class_targets = targets.class_targets
        if self.iou_power or self.cls_target == 'tiou':
            tiou = paired_tiou(pred, target).detach()
            fit = tiou if self.per_class else tiou[..., None]  # (N, P, K or 1)
            weight_cls = weight_cls * torch.where(class_targets > 0, fit**self.iou_power, 1.0)
            if self.cls_target == 'tiou':
                class_targets = class_targets * fit
        losses = {
            'loss_cls': self.loss_cls(outputs.cls_logits, class_targets, weight_cls, avg_factor),
            'loss_loc': self.loss_loc(pred, target, weight_loc, avg_factor),
        }
        if self.sensitivity is not None:
            with torch.no_grad():
                if self.sensitivity.quality_points == 'scored':
                    quality = self._quality_by_score(outputs, points, mask, ground_truths)
                else:
                    quality = self._quality_of_positives(
                        outputs, targets, paired_tiou(pred, target), num_positives
                    )
            losses.update(self.sensitivity.loss(sensitivity, targets, quality))
        return losses

    def _quality_of_positives(
        self, outputs: Any, targets: PointTargets, tiou: Tensor, num_positives: Tensor
    ) -> QualityTargets:
        """Score of the target class and tIoU with the matched segment (eq. 7)."""
        score = at_least_float32(outputs.cls_logits).sigmoid()
        if not self.per_class:
            score = score.gather(-1, targets.gt_labels.unsqueeze(-1)).squeeze(-1)
        values = torch.stack([score, tiou], dim=-1)
        return QualityTargets(values, targets.positives.float(), num_positives)

    def _quality_by_score(
        self, outputs: Any, points: Points, mask: Tensor, ground_truths: GroundTruths
    ) -> QualityTargets:
        """Of all points, each with its best class and weighed by the score of this class.

        The tIoU is that with the best ground truth of the class; the other quality is the score
        where there is such an overlap, 0 elsewhere.
        """
        scores, labels = at_least_float32(outputs.cls_logits).sigmoid().max(-1)
        segments = at_least_float32(self.decode(points, outputs, labels))
        tiou = paired_tiou(
            segments[:, :, None], at_least_float32(ground_truths.segments)[:, None]
        )  # (N, P, G)
        same = (ground_truths.labels[:, None] == labels[..., None]) & ground_truths.masks[:, None]
        best = torch.where(same, tiou, 0.0).amax(-1)
        weight = scores * mask
        values = torch.stack([torch.where(best > 0, scores, 0.0), best], dim=-1)
        return QualityTargets(values, weight, self._count(weight))

    @staticmethod
    def _count(positives: Tensor) -> Tensor:
        """Positives (or weights) a process: the mean over processes of loss sums over it is the
        joint loss."""
        count = positives.sum().float()
        world_size = dist.get_world_size()
        if world_size > 1:
            dist.all_reduce(count)
        return count.clamp(min=1) / world_size

    def _avg_factor(self, num_positives: Tensor) -> Tensor:
        """N_pos a process: the moving average of the count over all processes, or the count."""
        if self.normalizer is None:
            return num_positives
        world_size = dist.get_world_size()
        total, weight = num_positives * world_size, 1 - self.normalizer_momentum
        # Not in place: what torch.compile computes again for the backward pass would start from
        # the new average.
        self.normalizer = self.normalizer.lerp(total.to(self.normalizer), weight)
        return self.normalizer / world_size

    def predict(
        self, feats: Sequence[Tensor], masks: Sequence[Tensor], *, with_quality: bool = False
    ) -> DenseCandidates:
        """Scores and segments of all points.

        Args:
            feats: L levels (N, T_l, C), zero on padding.
            masks: L masks (N, T_l).
            with_quality: Let the instance evaluators predict the quality as well. Only a head
                whose sensitivity has them (:attr:`predicts_quality`) can.
        """
        outputs, points, mask = self(feats, masks)
        quality = self.sensitivity.instance_level(feats, masks) if with_quality else None
        return self._candidates(outputs, points, mask)._replace(quality=quality)

    def _candidates(self, outputs: Any, points: Points, mask: Tensor) -> DenseCandidates:
        scores = at_least_float32(outputs.cls_logits).sigmoid()
        return DenseCandidates(at_least_float32(self.decode(points, outputs)), scores, mask)

    @property
    def _class_level(self) -> nn.Module | None:
        return None if self.sensitivity is None else self.sensitivity.class_level

    @property
    def predicts_quality(self) -> bool:
        """Whether there are instance evaluators."""
        return self.sensitivity is not None and self.sensitivity.instance_level is not None
