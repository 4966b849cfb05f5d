"""Sliding clips over a stream of frames, and work ahead in a thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from asl_mmaction.files.mistakes import TypeMistake, ValueMistake

T = TypeVar('T')


class Run(NamedTuple, Generic[T]):
    """What holds for the frames ``first .. end - 1``."""

    first: int
    end: int
    value: T


@dataclass(frozen=True)
class ClipSampling:
    """Which frames of a video step ``t`` is computed from.

    Its clip is the frames ``t * stride .. t * stride + clip_len - 1``, of which the network sees
    every ``frame_interval``-th: those in the middle of each interval, so that what it sees has the
    middle of the clip in its middle.

    There are as many steps as whole clips (:meth:`FeatureGrid.num_steps`). A video shorter than a
    clip is one step; its last frame is repeated.

    Raises:
        TypeMistake: a setting is no whole number.
        ValueMistake: it is below 1, or ``clip_len`` is no multiple of ``frame_interval``.
    """

    clip_len: int
    stride: int
    frame_interval: int = 1

    def __post_init__(self) -> None:
        for name in ('clip_len', 'stride', 'frame_interval'):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeMistake(f'expected {name} to be a whole number but got {value!r}')
            if value < 1:
                raise ValueMistake(f'expected {name} >= 1 but got {value}')
        if self.clip_len % self.frame_interval:
            raise ValueMistake(
                f'expected a clip_len that is a multiple of frame_interval={self.frame_interval} '
                f'but got {self.clip_len}'
            )

    @property
    def num_frames(self) -> int:
        """Frames of a clip that the network sees."""
        return self.clip_len // self.frame_interval

    @property
    def offsets(self) -> range:
        """Those frames, from the start of the clip."""
        return range((self.frame_interval - 1) // 2, self.clip_len, self.frame_interval)

    def num_steps(self, num_frames: int) -> int:
        """Steps of a video of so many frames."""
        return max(1, (num_frames - self.clip_len) // self.stride + 1)

    def is_needed(self, first: int, end: int, first_step: int = 0) -> bool:
        """Whether any step from ``first_step`` on sees one of the frames ``first .. end - 1``."""
        for offset in self.offsets:
            # the first clip whose frame at this offset is not before `first`
            step = max(first_step, -((offset - first) // self.stride))
            if step * self.stride + offset < end:
                return True
        return False

    def slide(self, runs: Iterable[Run[T]], first_step: int = 0) -> Iterator[list[T]]:
        """The values that each clip sees, clip by clip.

        Args:
            runs: in the order of the frames; those that no clip needs may be left out, but not the
                last one, whose ``end`` is the number of frames.
            first_step: clips before it are left out.
        """
        kept: list[Run[T]] = []
        step, last = first_step, None
        for run in runs:
            kept.append(run)
            last = run
            while step * self.stride + self.clip_len <= run.end:
                start = step * self.stride
                yield _values(kept, [start + offset for offset in self.offsets])
                step += 1
                while kept and kept[0].end <= step * self.stride:
                    del kept[0]
        if last is not None and step == 0:
            yield _values(kept, [min(offset, last.end - 1) for offset in self.offsets])


def _values(runs: list[Run[T]], frames: list[int]) -> list[T]:
    values, place = [], 0
    for frame in frames:
        while runs[place].end <= frame:
            place += 1
        values.append(runs[place].value)
    return values


def ahead(items: Iterable[T], depth: int = 2) -> Iterator[T]:
    """The same items, made in a thread while the one before is in use.

    At most ``depth`` are waiting. What making them raises is raised here; closing this iterator
    ends the thread.
    """
    waiting: queue.Queue = queue.Queue(depth)
    closed = threading.Event()

    def put(entry: tuple) -> None:
        while not closed.is_set():
            try:
                return waiting.put(entry, timeout=0.1)
            except queue.Full:
                continue

    def work() -> None:
        try:
            for item in items:
                put((item, None))
                if closed.is_set():
                    return
            put((None, StopIteration()))
        except BaseException as error:  # told to whoever waits for an item
            put((None, error))
        finally:
            getattr(items, 'close', lambda: None)()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            item, error = waiting.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item
    finally:
        closed.set()
        thread.join()
