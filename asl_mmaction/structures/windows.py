"""Windows over a sequence that is too long to be looked at as a whole."""


def window_starts(num_steps: int, length: int, overlap: float) -> list[int]:
    """First steps of windows that cover every step of a sequence.

    Windows lie in the sequence. Neighbours share at least the part ``overlap`` of their length: the
    last window is moved back to end with the sequence, rather than left out or cut.

    Args:
        num_steps: Steps of the sequence, >= 1.
        length: Steps of a window; a shorter sequence gets one window of its own length.
        overlap: In [0, 1).

    Raises:
        ValueError: An argument is out of its range.
    """
    if num_steps < 1 or length < 1 or not 0 <= overlap < 1:
        raise ValueError(
            f'expected num_steps >= 1, length >= 1 and overlap in [0, 1) '
            f'but got {num_steps}, {length}, {overlap}'
        )
    stride = max(1, int(length * (1 - overlap) + 1e-9))
    last = max(0, num_steps - length)
    return [*range(0, last, stride), last]
