"""How element-wise losses are weighted and reduced."""

from abc import ABCMeta, abstractmethod

from torch import Tensor, nn

from asl_mmaction.files.mistakes import ValueMistake

REDUCTIONS = ('none', 'mean', 'sum')


def check_reduction(reduction: str) -> str:
    """Return ``reduction`` if it is ``'none'``, ``'mean'`` or ``'sum'``, else raise ValueError."""
    if reduction not in REDUCTIONS:
        raise ValueMistake(f'expected reduction to be one of {REDUCTIONS} but got {reduction!r}')
    return reduction


def check_focusing(gamma: float) -> float:
    """Return the focusing exponent ``gamma`` if it is 0 or at least 1, else raise ValueError.

    Between them the gradient of ``miss ** gamma`` is infinite where nothing is missed.
    """
    if not (gamma == 0 or gamma >= 1):
        raise ValueMistake(f'expected gamma to be 0 or a number >= 1 but got {gamma}')
    return gamma


def weight_reduce_loss(
    loss: Tensor,
    weight: Tensor | None = None,
    reduction: str = 'mean',
    avg_factor: float | Tensor | None = None,
) -> Tensor:
    """Weigh an element-wise loss, then reduce it.

    Args:
        loss: Any shape.
        weight: Broadcasts with ``loss``; None = ones.
        reduction: ``'none'``, ``'mean'`` or ``'sum'``.
        avg_factor: Divides the sum in place of the number of elements; only with ``'mean'``.

    Raises:
        ValueError: If the reduction is unknown, or not 'mean' where ``avg_factor`` is given.
    """
    check_reduction(reduction)
    if weight is not None:
        loss = loss * weight
    if avg_factor is not None:
        if reduction != 'mean':
            raise ValueMistake(f"expected reduction='mean' with avg_factor but got {reduction!r}")
        return loss.sum() / avg_factor
    if reduction == 'none':
        return loss
    return loss.mean() if reduction == 'mean' else loss.sum()


class ElementwiseLoss(nn.Module, metaclass=ABCMeta):
    """A loss of predictions against targets of one shape; a child says what an element costs.

    Args:
        reduction: ``'mean'``, ``'sum'`` or ``'none'``.
        loss_weight: Factor of the loss.
    """

    def __init__(self, *, reduction: str = 'mean', loss_weight: float = 1.0) -> None:
        super().__init__()
        self.reduction = check_reduction(reduction)
        self.loss_weight = loss_weight

    @abstractmethod
    def elements(self, pred: Tensor, target: Tensor) -> Tensor:
        """Loss of each element."""

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | Tensor | None = None,
    ) -> Tensor:
        """Weighted and reduced; ``weight`` broadcasts with the elements."""
        loss = self.elements(pred, target)
        return self.loss_weight * weight_reduce_loss(loss, weight, self.reduction, avg_factor)
