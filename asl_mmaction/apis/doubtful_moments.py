"""Moments of training videos at which a weakly supervised model is in doubt: worth a click."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from torch import nn

from asl_mmaction.apis.datasets import find_datasets
from asl_mmaction.apis.model import load_beside_data
from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.models.localizers import WeakLocalizer

#: Seconds by which rounding may move the distance of two steps.
_TOLERANCE = 1e-6


class DoubtfulMoment(NamedTuple):
    """A step of a training video that is an action about as probably as it is background.

    Attributes:
        video: Name.
        time: Seconds.
        label: The most probable of the classes of the video.
        probability: Of that class, among all classes and background.
        background: Probability of background.
    """

    video: str
    time: float
    label: str
    probability: float
    background: float


def doubtful_steps(
    action: np.ndarray,
    background: np.ndarray,
    times: np.ndarray,
    *,
    count: int,
    min_distance: float,
    known: Iterable[float] = (),
) -> list[int]:
    """The steps at which action and background are closest, no two of them near each other.

    Taken in turn: the step whose probabilities differ least, of those that lie ``min_distance`` or
    more from all that were taken before and from what is known.

    Args:
        action: (T,) probability of an action.
        background: (T,) probability of background.
        times: (T,) seconds.
        count: Most steps to take.
        min_distance: Seconds.
        known: Seconds at which somebody has clicked.

    Returns:
        Indices, the greatest doubt first.
    """
    margins = np.abs(action - background)
    least = min_distance - _TOLERANCE
    for time in known:
        margins[np.abs(times - time) < least] = np.inf
    taken: list[int] = []
    while len(taken) < count and np.isfinite(margins).any():
        taken.append(int(margins.argmin()))
        margins[np.abs(times - times[taken[-1]]) < least] = np.inf
        margins[taken[-1]] = np.inf
    return taken


@torch.no_grad()
def find_doubtful_moments(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike,
    *,
    per_video: int = 1,
    min_distance: float = 2.0,
) -> list[DoubtfulMoment]:
    """The most doubtful moments of each training video, see :func:`doubtful_steps`.

    The probabilities are those of the branch that sees the features as they are, which is the one
    that learns of background. Moments near a click of the training set are not asked for, and
    nothing is of a video without an action, which is background as a whole.

    Args:
        config: See :func:`~asl_mmaction.apis.load_config`; weakly supervised.
        checkpoint: Of a training with that config.
        per_video: Most moments of a video.
        min_distance: Seconds between two moments of a video, and between a moment and a click.

    Returns:
        Video by video as the training set has them, the greatest doubt first.

    Raises:
        ValueMistake: The model or the training set is not one of weak supervision, the checkpoint
            does not fit, or a number is out of its range.
    """
    if per_video < 1 or not min_distance >= 0:
        raise ValueMistake(
            'expected a moment or more of a video, and 0 seconds or more between two, '
            f'but got {per_video} and {min_distance}'
        )
    config, model, classes, dataset = load_beside_data(
        config, checkpoint, 'train_dataloader', _check_model
    )
    moments = []
    # Each video once, also where a wrapper repeats it.
    parts = {id(part): part for part in find_datasets(dataset).values()}.values()
    for part, index in [(x, index) for x in parts for index in range(len(x))]:
        packed = part[index]
        sample = packed['data_samples']
        if 'gt_label' not in sample:
            raise ValueMistake(
                f"{config.filename}: expected a train_dataloader with supervision='click' or "
                "'video' but got one with another"
            )
        occurs = sample.gt_label.bool()
        if not occurs.any():
            continue
        batch = model.data_preprocessor(pseudo_collate([packed]))
        outputs = model.head(*model.extract_feat(batch['inputs'], batch['masks']))
        found = outputs.base[0, : sample.num_steps].double().softmax(-1).numpy()  # (T, K + 1)
        labels = np.where(occurs.numpy(), found[:, :-1], -1).argmax(1)
        action, background = found[np.arange(len(found)), labels], found[:, -1]
        times = sample.grid.to_seconds(np.arange(len(found), dtype=np.float64))
        steps = doubtful_steps(
            action,
            background,
            times,
            count=per_video,
            min_distance=min_distance,
            known=part.get_data_info(index)['click_times'],
        )
        moments += [
            DoubtfulMoment(
                sample.video_name,
                float(times[step]),
                classes[labels[step]],
                float(action[step]),
                float(background[step]),
            )
            for step in steps
        ]
    return moments


def _check_model(config: Config, model: nn.Module) -> None:
    if not isinstance(model, WeakLocalizer):
        raise ValueMistake(
            f'{config.filename}: expected a WeakLocalizer but got {type(model).__name__}'
        )
