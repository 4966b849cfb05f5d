"""What the training recordings of a data set are like, in numbers."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from asl_mmaction.files.mistakes import ValueMistake


class Recording(NamedTuple):
    """One training recording.

    Attributes:
        num_steps: Of its feature.
        segments: (G, 2) actions, in grid values (see :class:`FeatureGrid`).
    """

    num_steps: int
    segments: np.ndarray


@dataclass(frozen=True)
class Statistics:
    """What the plan depends on. All of the training recordings.

    Attributes:
        recordings: Their number.
        actions: Their number.
        feat_dim: Channels of the features.
        median_steps: Of a recording.
        longest_steps: Of a recording.
        lengths: (A,) of the actions, steps.
        segments: (A, 2) all actions, grid values of their recordings.
        most_actions: Of one recording.
        covered: Share of a recording's time with an action, on average.
        overlap: Share of the time with an action that has a second one; the same segment under two
            classes counts once.
    """

    recordings: int
    actions: int
    feat_dim: int
    median_steps: float
    longest_steps: int
    lengths: np.ndarray
    segments: np.ndarray
    most_actions: int
    covered: float
    overlap: float

    @classmethod
    def of(cls, recordings: Iterable[Recording], feat_dim: int) -> 'Statistics':
        """Count recordings; those without an action are left out, as in training.

        Raises:
            ValueError: No recording has an action.
        """
        kept = [item for item in recordings if len(item.segments)]
        if not kept:
            raise ValueMistake('expected actions to train on but got none')
        segments = np.concatenate([item.segments for item in kept]).astype(float)
        once, twice = np.array([_covered(item.segments) for item in kept]).T
        steps = np.array([item.num_steps for item in kept])
        return cls(
            recordings=len(kept),
            actions=len(segments),
            feat_dim=feat_dim,
            median_steps=float(np.median(steps)),
            longest_steps=int(steps.max()),
            lengths=segments[:, 1] - segments[:, 0],
            segments=segments,
            most_actions=max(len(item.segments) for item in kept),
            covered=float(np.minimum(once / steps, 1).mean()),
            overlap=float(twice.sum() / max(once.sum(), 1e-9)),
        )


def _covered(segments: np.ndarray) -> tuple[float, float]:
    """Steps with one or more, and with two or more of the different segments."""
    segments = np.unique(segments, axis=0)
    edges = np.concatenate([segments[:, 0], segments[:, 1]])
    order = np.argsort(edges, kind='stable')
    running = np.cumsum(np.repeat([1, -1], len(segments))[order])[:-1]
    widths = np.diff(edges[order])
    return float(widths[running > 0].sum()), float(widths[running > 1].sum())
