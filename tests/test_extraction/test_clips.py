import threading
from itertools import pairwise

import numpy as np
import pytest

from asl_mmaction.extraction.clips import ClipSampling, Run, ahead
from asl_mmaction.files.mistakes import TypeMistake, ValueMistake
from asl_mmaction.structures.feature_grid import FeatureGrid

SETTINGS = [
    (clip_len, stride, interval)
    for interval in (1, 2, 3, 4)
    for clip_len in (interval, 2 * interval, 5 * interval)
    for stride in (1, 3, 4, 7, 30)
]


def slow(num_frames, clip_len, stride, interval):
    """The frames of each clip, by the words of the class."""
    inside = [k for k in range(clip_len) if k % interval == (interval - 1) // 2]
    starts = [s for s in range(0, num_frames, stride) if s + clip_len <= num_frames] or [0]
    return [[min(start + k, num_frames - 1) for k in inside] for start in starts]


@pytest.mark.parametrize('num_frames', [1, 2, 6, 20, 37])
@pytest.mark.parametrize('setting', SETTINGS)
def test_clips_are_those_of_a_slow_loop(setting, num_frames):
    sampling = ClipSampling(*setting)
    expected = slow(num_frames, *setting)
    runs = [Run(k, k + 1, k) for k in range(num_frames)]
    assert list(sampling.slide(runs)) == expected
    assert len(expected) == sampling.num_steps(num_frames)
    assert sampling.num_frames == len(expected[0])

    needed = {k for clip in expected for k in clip}
    for k in range(num_frames):
        # a frame behind the last whole clip may be needed, for all one knows before the end
        assert sampling.is_needed(k, k + 1) or k not in needed or num_frames < setting[0]
    for skipped in range(1, len(expected)):
        assert list(sampling.slide(runs, skipped)) == expected[skipped:]
        rest = [
            run
            for run in runs
            if sampling.is_needed(run.first, run.end, skipped) or run.end == num_frames
        ]
        assert list(sampling.slide(rest, skipped)) == expected[skipped:]


@pytest.mark.parametrize('setting', SETTINGS)
def test_no_frame_is_needed_that_no_clip_sees(setting):
    sampling = ClipSampling(*setting)
    needed = {k for clip in slow(500, *setting) for k in clip}
    for first in range(200):
        assert sampling.is_needed(first, first + 1) == (first in needed)
        assert sampling.is_needed(first, first + 3) == bool({*range(first, first + 3)} & needed)


@pytest.mark.parametrize('setting', SETTINGS)
def test_pictures_may_last_for_several_frames(setting):
    sampling = ClipSampling(*setting)
    ends = [0, 1, 2, 9, 10, 25, 26, 40]
    runs = [Run(first, end, first) for first, end in pairwise(ends)]
    shown = [run.first for run in runs for _ in range(run.first, run.end)]
    expected = [[shown[k] for k in clip] for clip in slow(40, *setting)]
    assert list(sampling.slide(runs)) == expected


def test_steps_are_those_of_the_grid():
    for clip_len, stride, _ in SETTINGS:
        grid = FeatureGrid(fps=25, feat_stride=stride, clip_len=clip_len)
        for frames in range(clip_len, 90):
            assert ClipSampling(clip_len, stride).num_steps(frames) == grid.num_steps(frames / 25)


def test_the_middle_of_what_is_seen_is_the_middle_of_the_clip():
    """To half a frame, where an interval of even length has no middle frame."""
    for clip_len, stride, interval in SETTINGS:
        offsets = np.array(ClipSampling(clip_len, stride, interval).offsets)
        shift = (offsets + 0.5).mean() - clip_len / 2
        assert shift == (0 if interval % 2 else -0.5)


def test_settings_that_are_none():
    with pytest.raises(ValueMistake, match='expected stride >= 1 but got 0'):
        ClipSampling(16, 0)
    with pytest.raises(TypeMistake, match=r'expected clip_len to be a whole number but got 16\.0'):
        ClipSampling(16.0, 4)
    with pytest.raises(ValueMistake, match='a multiple of frame_interval=3 but got 16'):
        ClipSampling(16, 4, 3)


def test_ahead_keeps_order_and_bounds():
    made = []

    def items():
        for k in range(20):
            made.append(k)
            yield k

    found = []
    for item in ahead(items(), depth=3):
        # those waiting, the one in hand, and one that is ready but finds no place
        assert len(made) <= item + 5
        found.append(item)
    assert found == list(range(20))


def test_ahead_raises_what_the_making_raises():
    def items():
        yield 1
        raise ValueMistake('expected more but got an end')

    stream = ahead(items())
    assert next(stream) == 1
    with pytest.raises(ValueMistake, match='expected more'):
        next(stream)


def test_ahead_ends_its_thread_when_it_is_closed():
    ended = threading.Event()

    def items():
        try:
            while True:
                yield 1
        finally:
            ended.set()

    stream = ahead(items())
    next(stream)
    before = threading.active_count()
    stream.close()
    assert ended.is_set()
    assert threading.active_count() == before - 1
