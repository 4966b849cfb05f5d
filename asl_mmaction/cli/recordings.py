"""How tools that go through many recordings show it: a bar, lines, and what could not be read."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class RecordingBar:
    """How many recordings are done, and the frames of a video, where there is a screen for it.

    Args:
        console: Of the tool.
        total: Recordings.
    """

    def __init__(self, console: Console, total: int) -> None:
        self._progress = Progress(
            TextColumn('{task.description}'),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn('left:'),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._recordings = self._progress.add_task('recordings', total=total)
        self._video = self._progress.add_task('frames', total=None, visible=False)
        self._begin()

    def __enter__(self) -> RecordingBar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def _begin(self) -> None:
        self._start, self._first = time.perf_counter(), 0

    def frames(self, done: int, total: float | None) -> None:
        """Show how far a video is.

        Args:
            done: Frames; in the first call those that an earlier run has done.
            total: All of them, as far as is known.
        """
        count = None if total is None else round(total)
        if not self._progress.tasks[self._video].visible:
            self._first = done
        self._progress.update(self._video, completed=done, total=count, visible=True)

    def step(self) -> None:
        """Go on to the next recording."""
        self._progress.reset(self._video, visible=False, total=None)
        self._progress.advance(self._recordings)
        self._begin()

    def speed(self, done: int) -> float:
        """Frames a second, of the recording that is under way, if so many are done."""
        return (done - self._first) / (time.perf_counter() - self._start)


def say(console: Console, line: str) -> None:
    """Print a line as it is: no colours, no wrapping."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def list_failures(console: Console, failures: Sequence[str], title: str) -> int:
    """Print what went wrong, a line each below a title; the exit code: 1 if anything did."""
    for line in [title, *(f'  {failure}' for failure in failures)] if failures else []:
        say(console, line)
    return 1 if failures else 0
