"""Windows over a sequence that is too long to be looked at as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from asl_mmaction.files.mistakes import ValueMistake


@dataclass(frozen=True)
class Windows:
    """How a sequence is looked at through windows.

    Args:
        length: Steps of a window, >= 1.
        overlap: Part of a window that neighbours share at least, in [0, 1).
        per_batch: Windows that go through a network together, >= 1.

    Raises:
        ValueError: A setting is out of its range; called ``window_length``, ``window_overlap`` or
            ``windows_per_batch``, as models and configs call it.
    """

    length: int
    overlap: float
    per_batch: int

    def __post_init__(self) -> None:
        if self.length < 1:
            raise ValueMistake(f'expected window_length >= 1 but got {self.length}')
        if not 0 <= self.overlap < 1:
            raise ValueMistake(f'expected window_overlap in [0, 1) but got {self.overlap}')
        if self.per_batch < 1:
            raise ValueMistake(f'expected windows_per_batch >= 1 but got {self.per_batch}')

    def starts(self, num_steps: int) -> list[int]:
        """First steps of the windows of a sequence, see :func:`window_starts`."""
        return window_starts(num_steps, self.length, self.overlap)

    def batches(
        self, sequence: Tensor, starts: Sequence[int]
    ) -> Iterator[tuple[Sequence[int], Tensor]]:
        """The windows that begin at ``starts``, as many at a time as go together.

        Args:
            sequence: (T, C).
            starts: W of them.

        Yields:
            B of the starts, and their windows (B, length, C), zero behind the end of the sequence.
        """
        for low in range(0, len(starts), self.per_batch):
            batch = starts[low : low + self.per_batch]
            yield batch, cut_windows(sequence, batch, self.length)


def window_starts(num_steps: int, length: int, overlap: float) -> list[int]:
    """First steps of windows that cover every step of a sequence.

    Windows lie in the sequence. Neighbours share at least the part ``overlap`` of their length: the
    last window is moved back to end with the sequence, rather than left out or cut.

    Args:
        num_steps: Steps of the sequence, >= 1.
        length: Steps of a window; a shorter sequence gets one window of its own length.
        overlap: In [0, 1).

    Returns:
        Steps in rising order, each once.

    Raises:
        ValueError: An argument is out of its range.
    """
    if num_steps < 1 or length < 1 or not 0 <= overlap < 1:
        raise ValueMistake(
            f'expected num_steps >= 1, length >= 1 and overlap in [0, 1) '
            f'but got {num_steps}, {length}, {overlap}'
        )
    stride = max(1, int(length * (1 - overlap) + 1e-9))
    last = max(0, num_steps - length)
    return [*range(0, last, stride), last]


def cut_windows(sequence: Tensor, starts: Sequence[int], length: int) -> Tensor:
    """(T, C) -> (W, length, C): the steps from each start on, zeros behind the last step."""
    cut = sequence.new_zeros(len(starts), length, sequence.shape[1])
    for window, start in zip(cut, starts, strict=True):
        part = sequence[start : start + length]
        window[: len(part)] = part
    return cut
