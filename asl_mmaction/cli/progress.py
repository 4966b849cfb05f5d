"""How far the runs of a comparison are, while they run in processes of their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from asl_mmaction.cli.recordings import say
from asl_mmaction.cli.screen import read_epoch

#: Seconds between two lines of a run where there is no terminal.
PAUSE = 60.0
# How much of the end of a log is looked at: many lines of an epoch.
_TAIL = 1 << 14


class Watched:
    """A run under way.

    Args:
        name: for people.
        number: of the run, from 1.
    """

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.number = number
        self.start = time.monotonic()
        self.log: Path | None = None
        self._size = 0

    def watch(self, log: Path) -> None:
        """Look for epochs in what is written to a log from now on."""
        self.log, self._size = log, log.stat().st_size if log.is_file() else 0

    def epoch(self) -> tuple[int, int] | None:
        """How many epochs are done, of how many; None: not known."""
        if self.log is None or not self.log.is_file():
            return None
        with self.log.open('rb') as file:
            file.seek(max(self._size, self.log.stat().st_size - _TAIL))
            return read_epoch(file.read().decode(errors='replace'))


class RunsProgress:
    """Shows runs on the error output, where a table on the standard output is not disturbed.

    On a terminal a bar of all runs, and a line for each that runs; elsewhere a line when a run
    begins and ends, and one a minute between.

    Args:
        total: how many runs there will be.
    """

    def __init__(self, total: int) -> None:
        self.console = Console(stderr=True, highlight=False)
        self.total = total
        self.begun = 0
        self.done = 0
        self.running: list[Watched] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._shown: Live | threading.Thread | None = None

    def __enter__(self) -> RunsProgress:
        self.start = time.monotonic()
        if self.total and self.console.is_terminal:
            self._shown = Live(
                get_renderable=self._picture,
                console=self.console,
                refresh_per_second=1,
                transient=True,
            )
            self._shown.start()
        elif self.total:
            self._shown = threading.Thread(target=self._say_now_and_then, daemon=True)
            self._shown.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop.set()
        if isinstance(self._shown, Live):
            self._shown.stop()
        elif self._shown is not None:
            self._shown.join()

    @contextmanager
    def run(self, name: str, log: Path | None = None) -> Iterator[Watched]:
        """Count and show a run from here to the end of the block.

        Args:
            name: for people.
            log: what it writes; another one may follow (:meth:`Watched.watch`).
        """
        with self._lock:
            self.begun += 1
            run = Watched(name, self.begun)
            if log is not None:
                run.watch(log)
            self.running.append(run)
        self._say_unless_on_terminal(self.describe(run))
        try:
            yield run
        finally:
            with self._lock:
                self.running.remove(run)
                self.done += 1
            took = timedelta(seconds=round(time.monotonic() - run.start))
            self._say_unless_on_terminal(f'{self._title(run)}: ended after {took}{self.eta()}')

    def say(self, line: str) -> None:
        """Print a line, above the bar where there is one."""
        say(self.console, line)

    def describe(self, run: Watched, with_eta: bool = True) -> str:
        """Which run of how many, its epoch, the time that is left for all, and its log."""
        epoch = run.epoch()
        at = f', epoch {epoch[0]}/{epoch[1]}' if epoch else ''
        log = f'; log: {run.log}' if run.log else ''
        return f'{self._title(run)}{at}{self.eta() if with_eta else ""}{log}'

    def eta(self) -> str:
        """The time that is left for all runs, if these are like what is done; '' if unknown."""
        with self._lock:
            done = self.done + sum(_share(run) for run in self.running)
        left = (time.monotonic() - self.start) * (self.total - done) / done if done else 0
        return f', eta {timedelta(seconds=round(left))}' if left else ''

    def _title(self, run: Watched) -> str:
        return f'run {run.number} of {self.total}: {run.name}'

    def _say_unless_on_terminal(self, line: str) -> None:
        if not isinstance(self._shown, Live):
            self.say(line)

    def _say_now_and_then(self) -> None:
        while not self._stop.wait(PAUSE):
            for run in list(self.running):
                self.say(self.describe(run))

    def _picture(self) -> Group:
        running = list(self.running)
        bar = Table.grid(padding=(0, 1))
        share = self.done + sum(map(_share, running))
        count = f'{self.done} of {self.total} runs done{self.eta()}'
        bar.add_row(ProgressBar(total=self.total, completed=share, width=30), count)
        lines = (self.describe(run, with_eta=False) for run in running)
        return Group(bar, *(Text(line, overflow='fold') for line in lines))


def _share(run: Watched) -> float:
    """How much of a run is done, by its epochs."""
    epoch = run.epoch()
    return epoch[0] / epoch[1] if epoch else 0.0
