"""What a model found, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from mmaction.structures import ActionDataSample

from asl_mmaction.apis.inputs import Input
from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.files.reading import is_number


class Found(NamedTuple):
    """What came of one recording.

    Attributes:
        input: The recording.
        prediction: See :func:`describe`; None where something was wrong.
        data_sample: The same as the model gave it.
        error: What was wrong.
    """

    input: Input
    prediction: Any = None
    data_sample: ActionDataSample | None = None
    error: Exception | None = None


def check_settings(*, batch_size: int, top_k: int | None, score_threshold: float) -> None:
    """Make sure that these are numbers.

    Raises:
        ValueError: A count is not a whole number >= 1, or the threshold is no number.
    """
    for name, value in (('batch_size', batch_size), ('top_k', top_k)):
        counts = isinstance(value, (int, np.integer)) and value >= 1
        if not counts and (name, value) != ('top_k', None):
            raise ValueMistake(f'expected {name} to be a whole number >= 1 but got {value!r}')
    if not is_number(score_threshold):
        raise ValueMistake(f'expected score_threshold to be a number but got {score_threshold!r}')


def describe(
    sample: ActionDataSample,
    classes: Sequence[str],
    *,
    score_threshold: float = 0.0,
    top_k: int | None = None,
) -> dict:
    """The detections of a recording.

    Args:
        sample: With ``pred_instances``, in seconds, best score first.
        classes: Their names.
        score_threshold: Detections with a lower score are left out.
        top_k: At most so many.

    Returns:
        ``{'video_name', 'duration', 'detections'}``, a detection being ``{'label', 'label_id',
        'score', 'segment': [start, end]}``, seconds, best score first.

    Raises:
        ValueError: A ``top_k`` above the limits of the model.
    """
    found = sample.pred_instances.cpu()
    limits = found.get('limits')
    if limits and top_k is not None and top_k > limits.max_detections:
        raise ValueMistake(
            f'video {sample.video_name!r}: expected top_k of at most '
            f'{limits.max_detections}, what {limits.settings} of the post_processor allow for, '
            f'but got {top_k}'
        )
    found = found[found.scores >= score_threshold][:top_k]
    rows = zip(found.labels.tolist(), found.scores.tolist(), found.segments.tolist(), strict=True)
    return {
        'video_name': sample.video_name,
        'duration': sample.duration,
        'detections': [
            {
                'label': classes[label],
                'label_id': label,
                'score': score,
                'segment': segment,
            }
            for label, score, segment in rows
        ],
    }
