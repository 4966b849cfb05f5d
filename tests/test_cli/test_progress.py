"""What is shown of runs in other processes: which, how far, how long, and where their log is."""

import io
import re
import threading

import pytest
from rich.console import Console

from asl_mmaction.cli import progress
from asl_mmaction.cli.progress import RunsProgress
from asl_mmaction.cli.screen import read_epoch

LINE = '  {}/20  0.500  1.0e-04    0.1  eta 0:00:05\n'


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands where it is set."""
    now = [0.0]
    monkeypatch.setattr('asl_mmaction.cli.progress.time.monotonic', lambda: now[0])
    return now


def test_the_epoch_is_that_of_the_last_line():
    assert read_epoch('') is None
    assert read_epoch('asl: 1.0 M parameters, 8 videos, 20 epochs of 4 steps; log in a/b\n') is None
    assert read_epoch(LINE.format(1) + LINE.format(12)) == (12, 20)
    assert read_epoch('12/20 is no line of an epoch') is None


def test_lines_where_there_is_no_terminal(tmp_path, clock, capsys):
    log = tmp_path / 'train.log'
    log.write_text(LINE.format(20))  # of an earlier run
    with RunsProgress(2) as shown:
        with shown.run('a, seed 0', log) as run:
            assert shown.describe(run) == f'run 1 of 2: a, seed 0; log: {log}'
            with log.open('a') as file:
                file.write(LINE.format(5))
            clock[0] = 30.0
            # A quarter of the first of two took 30 s: seven eighths are left.
            expected = f'run 1 of 2: a, seed 0, epoch 5/20, eta 0:03:30; log: {log}'
            assert shown.describe(run) == expected
            other = tmp_path / 'other.log'
            run.watch(other)
            assert shown.describe(run) == f'run 1 of 2: a, seed 0; log: {other}'
            clock[0] = 100.0
        with shown.run('b, seed 0'):
            clock[0] = 160.0
    assert capsys.readouterr().err.splitlines() == [
        f'run 1 of 2: a, seed 0; log: {log}',
        'run 1 of 2: a, seed 0: ended after 0:01:40, eta 0:01:40',
        'run 2 of 2: b, seed 0, eta 0:01:40',
        'run 2 of 2: b, seed 0: ended after 0:01:00',
    ]


def test_a_line_now_and_then(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, 'PAUSE', 0.001)
    said = []
    twice = threading.Event()

    def say(self, line):
        said.append(line)
        if said.count(line) == 3:  # the first is that of the start
            twice.set()

    monkeypatch.setattr(RunsProgress, 'say', say)
    with RunsProgress(1) as shown, shown.run('a', tmp_path / 'a.log'):
        assert twice.wait(60)
    assert set(said[:3]) == {f'run 1 of 1: a; log: {tmp_path / "a.log"}'}
    assert said[-1].startswith('run 1 of 1: a: ended after ')


def test_a_bar_on_a_terminal(tmp_path, clock):
    file = io.StringIO()
    shown = RunsProgress(3)
    shown.console = Console(file=file, force_terminal=True, width=80)
    (tmp_path / 'train.log').touch()
    with shown, shown.run('a, seed 0', tmp_path / 'train.log'):
        (tmp_path / 'train.log').write_text(LINE.format(10))
        clock[0] = 60.0
        shown._shown.refresh()
        shown.say('b failed')
    text = re.sub(r'\x1b\[[\d;?]*[A-Za-z]', '', file.getvalue())
    assert '0 of 3 runs done, eta 0:05:00' in text
    assert 'run 1 of 3: a, seed 0, epoch 10/20; log: ' in text.replace('\n', '')
    assert 'b failed' in text
    assert 'ended after' not in text  # the bar says so


def test_nothing_is_shown_of_no_runs(capsys):
    with RunsProgress(0):
        pass
    assert capsys.readouterr().err == ''
