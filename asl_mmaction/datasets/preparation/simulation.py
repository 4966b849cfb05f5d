"""Features made up from annotations, for running everything at a dataset's true scale.

SIMULATED: they say nothing about any result on the real features. A step is white noise, plus for
each action around its time a mean that depends on the class and on the phase of the action: it
goes from one direction at the start over another in the middle to a third at the end.
"""

from collections.abc import Sequence

import numpy as np

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.structures.feature_grid import FeatureGrid

#: Length of a class mean, in standard deviations of the noise of one channel, by sqrt(width).
SIGNAL = 0.25
PHASES = (0.0, 0.5, 1.0)


class FeatureSimulator:
    """Makes the features of one source.

    Args:
        num_classes: Number of classes K.
        feat_dim: Width C.
        seed: One seed gives the same features for a video each time, whatever the other videos.

    Raises:
        ValueError: The seed is negative.
    """

    def __init__(self, num_classes: int, feat_dim: int, seed: int = 0) -> None:
        if seed < 0:
            raise ValueMistake(f'expected seed >= 0 but got {seed}')
        rng = np.random.default_rng((seed, feat_dim, num_classes))
        means = rng.standard_normal((num_classes, len(PHASES), feat_dim), dtype=np.float32)
        means *= SIGNAL * np.sqrt(feat_dim) / np.linalg.norm(means, axis=2, keepdims=True)
        self.means = means  # (K, 3, C)
        self.seed = seed

    def make(
        self,
        video: str,
        grid: FeatureGrid,
        duration: float,
        segments: Sequence[Sequence[float]],
        labels: Sequence[int],
    ) -> np.ndarray:
        """Features of one video: (T, C) float32, T as many steps as its duration holds, >= 1.

        Args:
            video: Its name, which the noise depends on.
            grid: Where the steps are.
            duration: Seconds.
            segments: (G, 2) seconds.
            labels: (G,) class indices.
        """
        rng = np.random.default_rng((self.seed, *video.encode()))
        num_steps = max(1, grid.num_steps(duration))
        feature = rng.standard_normal((num_steps, self.means.shape[2]), dtype=np.float32)
        times = grid.to_seconds(np.arange(num_steps, dtype=np.float64))
        for (start, end), label in zip(segments, labels, strict=True):
            inside = np.flatnonzero((times >= start) & (times <= end))
            if end > start and len(inside):
                phase = (times[inside] - start) / (end - start)
                shares = np.stack([np.interp(phase, PHASES, row) for row in np.eye(len(PHASES))])
                feature[inside] += shares.T.astype(np.float32) @ self.means[label]
        return feature
