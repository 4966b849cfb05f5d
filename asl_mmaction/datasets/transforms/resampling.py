"""Feature sequences at other times than their own steps."""

import numpy as np


def resample(feature: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Linear interpolation; before the first and behind the last step, that step.

    Args:
        feature: (T, C), T >= 1.
        positions: (S,) grid values of the feature.

    Returns:
        (S, C) float32.
    """
    positions = positions.clip(0, len(feature) - 1)
    before = np.floor(positions).astype(np.int64)
    after = np.minimum(before + 1, len(feature) - 1)
    share = (positions - before).astype(np.float32)[:, None]
    lower = np.asarray(feature[before], dtype=np.float32)
    return lower + share * (np.asarray(feature[after], dtype=np.float32) - lower)
