"""What the weights of the evaluator do to the gradients of a trained model."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Container, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from torch import Tensor

from asl_mmaction.apis.model import check_sensitivity, load_beside_data
from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.structures.point_targets import PointTargets
from asl_mmaction.structures.sensitivity import Sensitivity

WEIGHED = ('loss_cls', 'loss_loc')


class Compared(NamedTuple):
    """A gradient beside another: means over batches.

    Attributes:
        cosine: Of the angle between them.
        length: Of the one, by that of the other.
        difference: Length of their difference, by that of the other.
    """

    cosine: float
    length: float
    difference: float


class WeightEffect(NamedTuple):
    """What the weights h of a model do.

    Gradients are those of all parameters but the evaluator's own.

    Attributes:
        weights: ``'cls'`` and ``'loc'`` -> (n,) float32, h of the positives of all batches.
        weighed: ``'loss_cls'``, ``'loss_loc'`` and ``'both'`` -> the gradient with the weights h
            beside that of the same losses with all weights 1.
        others: The other losses -> their gradient beside that of both with all weights 1.
        between_batches: Mean cosine between the gradients of both, all weights 1, of one batch and
            the next; NaN of one batch.
    """

    weights: dict[str, np.ndarray]
    weighed: dict[str, Compared]
    others: dict[str, Compared]
    between_batches: float


def measure_weights(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike,
    *,
    num_batches: int = 12,
    seed: int = 0,
) -> WeightEffect:
    """Gradients of batches of the training data with the weights h, and with all weights 1.

    The model is that of the checkpoint, with drop-path switched off.

    Args:
        config: See :func:`~asl_mmaction.apis.load_config`.
        checkpoint: Of a training with that config.
        num_batches: How many batches, at most those of an epoch.
        seed: Of their order and of random crops.

    Raises:
        ValueError: The model has no sensitivity, the checkpoint does not fit it, or
            ``num_batches`` is below 1.
    """
    if num_batches < 1:
        raise ValueMistake(f'expected num_batches >= 1 but got {num_batches}')
    config, model, _, dataset = load_beside_data(
        config, checkpoint, 'train_dataloader', check_sensitivity, with_sensitivity=True
    )
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002  of random crops
    with DefaultScope.overwrite_default_scope('mmaction'):
        loader = Runner.build_dataloader({**config.train_dataloader, 'dataset': dataset}, seed=seed)
    weights: dict[str, list[Tensor]] = {'cls': [], 'loc': []}
    weighed: dict[str, list[Compared]] = {}
    others: dict[str, list[Compared]] = {}
    cosines, before = [], None
    for _, data in zip(range(num_batches), loader, strict=False):
        batch = model.data_preprocessor(data, training=True)
        gradients = _gradients(model, batch, functools.partial(_keep_weights, weights))
        plain = _gradients(model, batch, lambda h, _: _all_one(h), only=WEIGHED)
        for name, gradient in gradients.items():
            if name in plain:
                weighed.setdefault(name, []).append(_compare(gradient, plain[name]))
            else:
                others.setdefault(name, []).append(_compare(gradient, plain['both']))
        if before is not None:
            cosines.append(_compare(plain['both'], before).cosine)
        before = plain['both']
    return WeightEffect(
        {kind: torch.cat(values).float().numpy() for kind, values in weights.items()},
        _means(weighed),
        _means(others),
        float(np.mean(cosines)) if cosines else float('nan'),
    )


def _gradients(
    model: Any,
    batch: Mapping,
    change: Callable[[Sensitivity, PointTargets], Sensitivity | None],
    only: Container[str] | None = None,
) -> dict[str, Tensor]:
    """Name of each loss, or of ``only`` these, and ``'both'`` that are weighed -> gradient of all
    parameters in a row.

    ``change`` gets the sensitivity and the targets of the points; what it returns, if anything, is
    the sensitivity then.
    """
    state = {name: value.clone() for name, value in model.head.named_buffers()}
    hook = model.head.sensitivity.register_forward_hook(
        lambda _, arguments, h: change(h, arguments[3])
    )
    losses = model(**batch, mode='loss')
    hook.remove()
    # The average of the number of positives, which a step moves on.
    model.head.load_state_dict(state, strict=False)
    of_evaluator = {id(x) for x in model.head.sensitivity.parameters()}
    parameters = [x for x in model.parameters() if x.requires_grad and id(x) not in of_evaluator]
    gradients = {}
    for name, loss in losses.items():
        if 'loss' in name and (only is None or name in only):
            parts = torch.autograd.grad(
                loss, parameters, retain_graph=True, materialize_grads=True, allow_unused=True
            )
            gradients[name] = torch.cat([part.flatten() for part in parts]).double()
    return {**gradients, 'both': gradients[WEIGHED[0]] + gradients[WEIGHED[1]]}


def _keep_weights(weights: dict[str, list[Tensor]], h: Sensitivity, targets: PointTargets) -> None:
    for kind, values in weights.items():
        values.append(getattr(h, kind)[targets.positives].detach())


def _all_one(h: Sensitivity) -> Sensitivity:
    return h._replace(cls=torch.ones_like(h.cls), loc=torch.ones_like(h.loc))


def _compare(one: Tensor, other: Tensor) -> Compared:
    lengths = float(one.norm()), float(other.norm())
    cosine = float(one @ other) / (lengths[0] * lengths[1]) if all(lengths) else 0.0
    if not lengths[1]:
        return Compared(cosine, float('nan'), float('nan'))
    return Compared(cosine, lengths[0] / lengths[1], float((one - other).norm()) / lengths[1])


def _means(compared: Mapping[str, list[Compared]]) -> dict[str, Compared]:
    return {name: Compared(*np.mean(values, axis=0)) for name, values in compared.items()}
