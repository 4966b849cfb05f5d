"""What is shown of many recordings, on a terminal and in a file."""

import io

import pytest
from rich.console import Console

from asl_mmaction.cli import recordings
from asl_mmaction.cli.recordings import RecordingBar, list_failures, say


def console(**settings):
    return Console(file=io.StringIO(), width=60, **settings)


def test_recordings_and_frames_of_a_video():
    screen = console(force_terminal=True)
    with RecordingBar(screen, 3) as bar:
        bar.step()
        bar.frames(0, None)
        bar.frames(30, 119.6)
        bar._progress.refresh()
        shown = screen.file.getvalue().splitlines()
        assert any('recordings' in line and '1/3' in line for line in shown)
        assert any('frames' in line and '30/120' in line for line in shown)
        screen.file.truncate(0)
        bar.step()
        bar._progress.refresh()
        assert '2/3' in screen.file.getvalue()
        assert 'frames' not in screen.file.getvalue()


def test_speed_is_that_of_the_frames_of_this_run(monkeypatch):
    now = iter([10.0, 12.0, 20.0, 24.0])
    monkeypatch.setattr(recordings.time, 'perf_counter', lambda: next(now))
    bar = RecordingBar(console(), 2)
    bar.frames(40, 100)  # an earlier run has done these
    bar.frames(100, 100)
    assert bar.speed(100) == (100 - 40) / (12 - 10)
    bar.step()
    bar.frames(0, 8)
    bar.frames(8, 8)
    assert bar.speed(8) == 8 / (24 - 20)


def test_no_bar_in_a_file():
    file = console()
    with RecordingBar(file, 1) as bar:
        bar.frames(1, 2)
        bar.step()
    assert file.file.getvalue() == ''


@pytest.mark.parametrize(
    ('failures', 'text', 'code'),
    [(['a.mp4  [red]', 'b'], '2 bad:\n  a.mp4  [red]\n  b\n', 1), ([], '', 0)],
)
def test_failures_are_listed_and_make_the_exit_code(failures, text, code):
    file = console()
    assert list_failures(file, failures, '2 bad:') == code
    assert file.file.getvalue() == text


def test_a_line_stays_as_it_is():
    file = console(force_terminal=True)
    line = '[b]' + 'x' * 200 + ' 12'
    say(file, line)
    assert file.file.getvalue() == f'{line}\n'
