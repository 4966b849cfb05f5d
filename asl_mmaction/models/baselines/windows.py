"""Windows of a fixed number of steps, for models that take no other length."""

from torch import Tensor


def cut_window(feature: Tensor, start: int, window: int) -> Tensor:
    """(T, C) -> (C, window): steps ``start`` and on, zeros behind the last of the sequence."""
    part = feature[start : start + window]
    cut = feature.new_zeros(feature.shape[1], window)
    cut[:, : len(part)] = part.T
    return cut


def to_window(grid: Tensor, window: int, num_steps: int) -> Tensor:
    """Grid values of a window's own steps -> parts of the window in [0, num_steps / window].

    Step ``t`` fills ``[t, t + 1] / window``, so grid value 0, the middle of the first step, is half
    a step into the window. What lies outside of the ``num_steps`` steps is cut off.
    """
    return ((grid + 0.5) / window).clamp(0.0, num_steps / window)
