"""The Action Sensitivity Evaluator (ASE): class level and instance level together."""

import functools
from collections.abc import Sequence

import torch
from mmaction.registry import MODELS
from mmengine import dist
from torch import Tensor

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.models.sensitivity.base_sensitivity import BaseSensitivity
from asl_mmaction.structures.point_targets import PointTargets
from asl_mmaction.structures.points import Points
from asl_mmaction.structures.segments import segment_centers, segment_durations
from asl_mmaction.structures.sensitivity import QualityTargets, Sensitivity

NORMALIZATIONS = ('none', 'per_gt', 'batch')


@MODELS.register_module()
class ActionSensitivityEvaluator(BaseSensitivity):
    """Weights h = p[class] + q of the positive points (eq. 8-10).

    Where each class of a point has its own ground truth, it has its own position d, Gaussians and
    quality to learn; q is predicted once a point and learns from all of its classes.

    With one of the two levels alone, h is that one's value; with neither of them for a
    sub-task, h = 1.

    Args:
        num_classes: Number of classes K; the head gives it.
        in_channels: Width C of the pyramid; the head gives it.
        class_level: Config of the class-level evaluator; None = without.
        instance_level: Config of the instance-level evaluator; None = without.
        loss_quality: Config of the loss of the instance level (eq. 7).
        normalize: ``'none'``; or weights are rescaled to mean 1, so that sensitivity moves
            weight but cannot remove it: over the positives of each ground truth (``'per_gt'``,
            it moves between frames of an action) or of the batch over all processes
            (``'batch'``, it moves between actions as well; the Gaussians still learn from the
            frames within an action alone).
        detach_instance_weight: Let q learn from its own loss only.
        quality_points: ``'positive'``: q learns from the positive points alone (eq. 7);
            ``'scored'``: from all points, each weighed by its highest score, so that q also says
            which detections to distrust: for :class:`SoftNMSPostProcessor`'s ``quality_power``.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: int,
        class_level: dict | None = None,
        instance_level: dict | None = None,
        loss_quality: dict | None = None,
        normalize: str = 'none',
        detach_instance_weight: bool = True,
        quality_points: str = 'positive',
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if normalize not in NORMALIZATIONS:
            raise ValueMistake(
                f'expected normalize to be one of {NORMALIZATIONS} but got {normalize!r}'
            )
        if class_level is not None:
            sizes = dict(num_classes=num_classes)
            self.class_level = MODELS.build(class_level, default_args=sizes)
        if instance_level is not None:
            sizes = dict(in_channels=in_channels, feat_channels=in_channels)
            self.instance_level = MODELS.build(instance_level, default_args=sizes)
        self.loss_quality = MODELS.build(loss_quality or dict(type='QualityMSELoss'))
        self.normalize = normalize
        self.detach_instance_weight = detach_instance_weight
        if quality_points not in ('positive', 'scored'):
            raise ValueMistake(
                f"expected quality_points to be 'positive' or 'scored' but got {quality_points!r}"
            )
        self.quality_points = quality_points

    def forward(
        self,
        feats: Sequence[Tensor],
        masks: Sequence[Tensor],
        points: Points,
        targets: PointTargets,
    ) -> Sensitivity:
        """See :class:`BaseSensitivity`."""
        per_class = targets.gt_inds.dim() == 3
        centers = points.centers[:, None] if per_class else points.centers
        quality = None if self.instance_level is None else self.instance_level(feats, masks)
        p: tuple[Tensor | None, ...] = (None, None)
        if self.class_level is not None:
            length = segment_durations(targets.segments)  # > 0 at positive points
            distance = (centers - segment_centers(targets.segments)) / length
            distance = torch.where(targets.positives, distance, 0.0)
            p = self.class_level(distance, targets.gt_labels)
        q: tuple[Tensor | None, ...] = (None, None)
        if quality is not None:
            value = quality.detach() if self.detach_instance_weight else quality
            q = (value[:, :, None] if per_class else value).unbind(-1)  # (N, P) or (N, P, 1)
        one = torch.ones_like(centers).expand(targets.gt_inds.shape)
        combined = []
        for levels in zip(p, q, strict=True):  # of classification, of localization
            parts = [level for level in levels if level is not None]
            h = (functools.reduce(torch.add, parts) if parts else one).expand_as(one)
            if self.normalize == 'per_gt':
                h = _mean_one_per_gt(h, targets)
            elif self.normalize == 'batch':
                h = _mean_one(h, targets)
            combined.append(torch.where(targets.positives, h, 1.0))
        if per_class:
            combined[0] = _weigh_other_classes(combined[0], targets.positives)
        return Sensitivity(cls=combined[0], loc=combined[1], quality=quality)

    def loss(
        self, sensitivity: Sensitivity, targets: PointTargets, quality: QualityTargets
    ) -> dict[str, Tensor]:
        """See :class:`BaseSensitivity`; adds ``loss_sensitivity`` (eq. 7) and what it learned."""
        positive = targets.positives.float()
        out = {}
        if sensitivity.quality is not None:
            predicted = sensitivity.quality
            out['loss_sensitivity'] = self.loss_quality(
                predicted[:, :, None] if quality.values.dim() == 4 else predicted,
                quality.values,
                weight=quality.weights.unsqueeze(-1),
                avg_factor=quality.avg_factor,
            )
        with torch.no_grad():
            count = positive.sum().clamp(min=1)
            out['weight_cls'] = (sensitivity.cls * positive).sum() / count
            out['weight_loc'] = (sensitivity.loc * positive).sum() / count
            if self.class_level is not None:
                for name, value in self.class_level.named_parameters():
                    out[f'{name}_std'] = value.std(unbiased=False)
                    out[f'{name}_mean'] = value.mean()
        return out


def _weigh_other_classes(weight: Tensor, positive: Tensor) -> Tensor:
    """Give the classes that a point is not positive for the mean weight of the others.

    (N, P, K), (N, P, K) -> (N, P, K); 1 at points that are positive for none.
    """
    count = positive.sum(-1, keepdim=True)
    mean = (weight * positive).sum(-1, keepdim=True) / count.clamp(min=1)
    return torch.where(positive, weight, torch.where(count > 0, mean, 1.0))


def _mean_one_per_gt(weight: Tensor, targets: PointTargets) -> Tensor:
    """Rescale weights (N, P) or (N, P, K) to mean 1 over the positives of each ground truth."""
    shape = weight.shape
    positive = targets.positives.to(weight.dtype).flatten(1)
    weight = weight.flatten(1) * positive
    index = targets.gt_inds.clamp(min=0).flatten(1)
    zeros = weight.new_zeros(weight.size(0), targets.num_gts)  # (N, G)
    # Their scale is free: with the largest at 1, weights may be as small as a float can hold.
    with torch.no_grad():
        peak = zeros.scatter_reduce(1, index, weight, 'amax')
        peak = peak.clamp(min=torch.finfo(peak.dtype).tiny)
    weight = weight / peak.gather(1, index)
    total = zeros.scatter_add(1, index, weight)
    count = zeros.scatter_add(1, index, positive)
    return (weight * (count / total.clamp(min=1)).gather(1, index)).view(shape)


def _mean_one(weight: Tensor, targets: PointTargets) -> Tensor:
    """Rescale weights (N, P) or (N, P, K) to mean 1 over the positives of all processes.

    The gradient sees the weights of each ground truth relative to one another alone: what an action
    weighs among the others is taken as given, or the Gaussians would give up the classes that
    are hard.
    """
    relative = _mean_one_per_gt(weight, targets)
    tiny = torch.finfo(weight.dtype).tiny
    with torch.no_grad():
        given = torch.where(targets.positives, weight, 0.0)
        sums = torch.stack([given.sum(), targets.positives.sum().to(given.dtype)])
        dist.all_reduce(sums)
        scaled = given * (sums[1] / sums[0].clamp(min=tiny))
        share = scaled / relative.clamp(min=tiny)  # of an action, at each of its positives
    return relative * share
