"""Classification of the steps that somebody has clicked on."""

import torch.nn.functional as F
from mmaction.registry import MODELS
from torch import Tensor, nn

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.ops.masked_topk import masked_mean
from asl_mmaction.ops.precision import at_least_float32
from asl_mmaction.structures.weak_labels import NO_CLICK

REDUCTIONS = ('clicks', 'videos')


def click_loss(activations: Tensor, click_labels: Tensor, reduction: str = 'clicks') -> Tensor:
    """Cross-entropy over K + 1 classes at the clicked steps.

    Args:
        activations: (N, T, K + 1) logits, background last.
        click_labels: (N, T) int64, see :class:`WeakLabels`.
        reduction: ``'clicks'``: mean over all clicks of the batch, as the public code has it;
            ``'videos'``: mean over the clicks of each video, then over the videos that have any.

    Returns:
        Scalar; 0, with a gradient path, without any click.
    """
    logits = at_least_float32(activations).flatten(0, 1)
    losses = F.cross_entropy(
        logits, click_labels.flatten(), ignore_index=NO_CLICK, reduction='none'
    )
    losses, clicked = losses.view_as(click_labels), click_labels != NO_CLICK
    if reduction == 'clicks':
        return masked_mean(losses.flatten(), clicked.flatten(), dim=0)
    return masked_mean(masked_mean(losses, clicked), clicked.any(1), dim=0)


@MODELS.register_module()
class ClickLoss(nn.Module):
    """Module of :func:`click_loss`.

    Args:
        reduction: ``'clicks'`` or ``'videos'``.
        loss_weight: Factor of the loss.

    Raises:
        ValueError: The reduction is unknown.
    """

    def __init__(self, *, reduction: str = 'clicks', loss_weight: float = 1.0) -> None:
        super().__init__()
        if reduction not in REDUCTIONS:
            raise ValueMistake(
                f'expected reduction to be one of {REDUCTIONS} but got {reduction!r}'
            )
        self.reduction = reduction
        self.loss_weight = loss_weight

    def forward(self, activations: Tensor, click_labels: Tensor) -> Tensor:
        """(N, T, K + 1) logits, (N, T) click labels -> scalar."""
        return self.loss_weight * click_loss(activations, click_labels, self.reduction)
