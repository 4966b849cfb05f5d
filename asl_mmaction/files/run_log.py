"""The numbers that a run has logged: mmengine's ``scalars.json``, a JSON object in each line."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from asl_mmaction.files.mistakes import FileMistake, ValueMistake
from asl_mmaction.files.reading import in_context

#: Where a run puts them: a folder for each start, named by its time.
SCALARS = '*/vis_data/scalars.json'
#: What says when a number was logged, and is no number to look at.
WHEN = ('epoch', 'iter', 'step')


class Series(NamedTuple):
    """One number over a training.

    Attributes:
        epochs: (n,) float64, rising: when it was logged, in epochs from the start.
        values: (n,) float64, as logged.
    """

    epochs: np.ndarray
    values: np.ndarray


def read_run_log(folder: Path) -> dict[str, Series]:
    """All numbers of a run by their key, such as ``loss`` and ``HAPT/mAP``.

    A run that was resumed has several starts; where two have logged the same moment, the later one
    counts. A line that the end of a process has cut short is left out.

    Args:
        folder: work dir of one training by epochs.

    Raises:
        FileMistake: nothing has been logged there.
        ValueMistake: a line that is no JSON object, before the last of its file.
    """
    files = sorted(folder.glob(SCALARS))
    lines = [(path, line) for path in files for line in _lines(path)]
    if not lines:
        raise FileMistake(f'{folder}: expected the log of a run, {SCALARS}, but got none')
    # A step of training logs iter and epoch; a validation logs the epoch alone, as its step.
    per_epoch = max((math.ceil(x['iter'] / x['epoch']) for _, x in lines if 'iter' in x), default=1)
    found: dict[str, dict[float, float]] = {}
    for _, line in lines:
        epoch = line['iter'] / per_epoch if 'iter' in line else float(line['step'])
        for key, value in line.items():
            if key not in WHEN and isinstance(value, (int, float)):
                found.setdefault(key, {})[epoch] = float(value)
    return {
        key: Series(np.array(sorted(values)), np.array([values[x] for x in sorted(values)]))
        for key, values in found.items()
    }


def _lines(path: Path) -> list[dict]:
    texts = path.read_text(encoding='utf-8').splitlines()
    parsed = []
    for number, text in enumerate(texts, 1):
        with in_context(f'{path}: line {number}', 'a JSON object with a step'):
            try:
                line = json.loads(text)
                if not isinstance(line.get('step'), int):
                    raise ValueMistake('expected a step but got none')
            except json.JSONDecodeError:
                if number == len(texts):  # cut short when the process ended
                    continue
                raise
            parsed.append(line)
    return parsed
