"""BackTAL: the activations of a class are higher at its best steps than at background clicks."""

import torch.nn.functional as F
from mmaction.registry import MODELS
from torch import Tensor, nn

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.ops.masked_topk import masked_mean, topk_counts, topk_mask
from asl_mmaction.ops.precision import at_least_float32
from asl_mmaction.structures.weak_labels import WeakLabels


def score_separation_loss(
    activations: Tensor,
    mask: Tensor,
    labels: WeakLabels,
    ratio: float,
    exclude_clicked: bool = True,
) -> Tensor:
    """``softplus(b - p)``: p the mean of the highest steps of a class, b that of the clicked ones.

    Mean over the classes of a video, then over the videos that have both classes and background
    clicks.

    Args:
        activations: (N, T, K + 1) logits, background last.
        mask: (N, T) bool, True = valid.
        labels: Of the batch.
        ratio: The part of the valid steps that are the highest ones.
        exclude_clicked: A step with a background click is none of the highest (False: as in the
            public code, where it may be on both sides).

    Returns:
        Scalar; 0, with a gradient path, where no video counts.
    """
    clicked = labels.background_clicks
    values = at_least_float32(activations)[..., :-1]
    allowed = mask & ~clicked if exclude_clicked else mask
    highest = topk_mask(values, allowed, topk_counts(mask, ratio))
    top, click = masked_mean(values, highest), masked_mean(values, clicked[..., None])  # (N, K)
    present = labels.video_labels * highest.any(1)
    losses = masked_mean(F.softplus(click - top), present)  # (N,)
    return masked_mean(losses, clicked.any(1) & present.any(1), dim=0)


@MODELS.register_module()
class ScoreSeparationLoss(nn.Module):
    """Module of :func:`score_separation_loss`.

    Args:
        ratio: The part of the valid steps that are the highest ones, in (0, 1]; the head gives its
            own where it is left out.
        exclude_clicked: A step with a background click is none of the highest.
        loss_weight: Factor of the loss.

    Raises:
        ValueError: The ratio is out of its range.
    """

    def __init__(
        self, *, ratio: float, exclude_clicked: bool = True, loss_weight: float = 1.0
    ) -> None:
        super().__init__()
        if not 0 < ratio <= 1:
            raise ValueMistake(f'expected ratio in (0, 1] but got {ratio}')
        self.ratio = ratio
        self.exclude_clicked = exclude_clicked
        self.loss_weight = loss_weight

    def forward(self, activations: Tensor, mask: Tensor, labels: WeakLabels) -> Tensor:
        """(N, T, K + 1) logits, (N, T) mask, labels -> scalar."""
        loss = score_separation_loss(activations, mask, labels, self.ratio, self.exclude_clicked)
        return self.loss_weight * loss
