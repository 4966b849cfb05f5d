import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asl_mmaction.datasets.transforms.lengths import (
    FeatureLength,
    explain,
    length_mismatch,
    systematic_difference,
    tolerance,
)
from asl_mmaction.structures.feature_grid import FeatureGrid

#: Of 15 recordings, seconds.
DURATIONS = np.random.default_rng(0).uniform(150, 600, 15)
MADE = FeatureGrid(fps=25, feat_stride=4, clip_len=16)


def files(grid=MADE, made=MADE, duration=lambda seconds: seconds, steps=lambda number: number):
    """What check.py sees of features that were made with one grid and are described by another."""
    return [
        FeatureLength(duration(seconds), grid, steps(made.num_steps(seconds)))
        for seconds in DURATIONS
    ]


@pytest.mark.parametrize(
    ('grid', 'seconds'),
    [
        (FeatureGrid(30, 4, 16), 1 + 4 / 30),  # a step of 0.13 s: the second decides
        (FeatureGrid(15, 16, 16), 3.2),  # of 1.07 s: three steps do
        (FeatureGrid(10, 4, 8), 1.4),
        (FeatureGrid(10, 5, 8), 1.5),  # both
    ],
)
def test_the_tolerance_is_three_steps_or_a_second(grid, seconds):
    assert tolerance(grid) == pytest.approx(seconds, abs=1e-5)
    step = grid.feat_stride / grid.fps
    for hours in (0.01, 1, 10):  # whatever the length
        sample = {'video_name': 'v', 'grid': grid, 'duration': 3600.0 * hours}
        expected = grid.num_steps(sample['duration'])
        for sign in (-1, 1):
            allowed = expected + sign * int(seconds / step + 1e-6)
            assert length_mismatch(sample, allowed) is None
            assert length_mismatch(sample, allowed + sign) == (
                f"video 'v': expected about {expected} steps ({3600 * hours:g} s, fps "
                f'{grid.fps:g}, feat_stride {grid.feat_stride:g}, clip_len {grid.clip_len:g}) but '
                f'got {allowed + sign}'
            )


@given(
    st.floats(0.5, 60),
    st.floats(0.5, 32),
    st.floats(0, 64),
    st.floats(1, 1e4),
    st.sampled_from('rfc'),
)
def test_durations_in_whole_seconds_are_let_pass(fps, stride, clip_len, seconds, way):
    grid = FeatureGrid(fps, stride, clip_len)
    rounded = {'r': round, 'f': np.floor, 'c': np.ceil}[way](seconds)
    sample = {'video_name': 'v', 'grid': grid, 'duration': rounded}
    assert length_mismatch(sample, grid.num_steps(seconds)) is None


def test_one_percent_of_an_hour_is_no_tolerance():
    made = FeatureGrid(10, 4, 8)
    for fps in (9.9, 10.1):
        sample = {'video_name': 'v', 'grid': FeatureGrid(fps, 4, 8), 'duration': 3600.0}
        assert length_mismatch(sample, made.num_steps(3600.0)) is not None


def test_an_unknown_duration_fits():
    assert length_mismatch({'video_name': 'v', 'grid': MADE}, 7) is None


def grid_of(**settings):
    return FeatureGrid(**{'fps': 25, 'feat_stride': 4, 'clip_len': 16, **settings})


@pytest.mark.parametrize(
    ('found', 'text'),
    [
        (files(grid_of(fps=24.5)), 'fps=25 would fit all 15 files'),
        (files(grid_of(fps=30)), 'fps=25 would fit all 15 files'),
        (files(grid_of(fps=50)), 'feat_stride=8, or fps=25 would fit all 15 files'),
        (files(grid_of(fps=25), grid_of(fps=30 / 1.001)), 'fps=29.97 would fit all 15 files'),
        (files(grid_of(feat_stride=5)), 'feat_stride=4 would fit all 15 files'),
        (
            files(grid_of(clip_len=128)),
            'all 15 files have 28 steps more than expected; clip_len=16',
        ),
        (
            files(duration=lambda seconds: seconds / 60),
            'durations in minutes instead of seconds, or fps=1500 would fit all 15 files',
        ),
        (files(duration=lambda seconds: seconds * 1000), 'durations in milliseconds instead of'),
        (
            files(duration=lambda seconds: seconds * 25),
            'durations in frames instead of seconds, or fps=1 would fit all 15 files',
        ),
        (
            files(duration=lambda seconds: seconds * 25 / 4),
            'durations in feature steps instead of seconds, or fps=4 would fit all 15',
        ),
        (files(steps=lambda number: 100), 'all 15 files have 100 steps, as if they were resized'),
        (
            files(steps=lambda number: number - 9),
            'all 15 files have 9 steps fewer than expected; clip_len=52 would fit them',
        ),
        (files(steps=lambda number: number + 9), 'all 15 files have 9 steps more than expected'),
        # durations are rounded, and still
        (files(grid_of(fps=24.5), duration=round), 'fps=25 would fit all 15 files'),
    ],
)
def test_one_wrong_setting_is_named(found, text):
    explanation = explain(found)
    assert explanation.text.startswith(text)
    assert explanation.fits.all()


def test_no_clip_len_is_named_that_none_could_have():
    (text, _) = explain(files(steps=lambda number: number + 9))
    assert 'clip_len' not in text  # it would be -20


def test_a_broken_file_does_not_hide_what_is_wrong_with_the_others():
    found = files(grid_of(fps=24.5))
    found[3] = found[3]._replace(num_steps=200)
    explanation = explain(found)
    assert explanation.text == 'fps=25 would fit 14 of 15 files'
    assert np.flatnonzero(~explanation.fits).tolist() == [3]


def test_one_fps_for_videos_of_different_ones():
    pairs = zip(files(), range(20, 35), strict=True)
    found = [item._replace(grid=grid_of(fps=fps)) for item, fps in pairs]
    assert explain(found).text == 'fps=25 would fit all 15 files'


def test_files_of_one_length_tell_a_setting_and_no_offset():
    grid, made = FeatureGrid(9.85, 4, 8), FeatureGrid(10, 4, 8)
    found = [FeatureLength(3544.8, grid, made.num_steps(3544.8))] * 2
    assert explain(found).text == 'fps=10 would fit all 2 files'


def test_nothing_is_explained_that_fits_or_has_nothing_in_common():
    rng = np.random.default_rng(0)
    assert explain(files()) is None
    assert explain([]) is None
    assert explain(files(grid_of(fps=24.5))[:1]) is None
    one_wrong = files()
    one_wrong[0] = one_wrong[0]._replace(num_steps=20)
    assert explain(one_wrong) is None
    assert explain(files(steps=lambda number: int(number * rng.uniform(0.2, 2)))) is None


def test_what_all_files_are_off_by_within_the_tolerance():
    assert systematic_difference(files()) is None
    assert systematic_difference(files(duration=round)) is None
    assert systematic_difference(files()[:2]) is None
    text = 'all 15 files have 1 step more than expected; clip_len=12 would fit them'
    assert systematic_difference(files(steps=lambda number: number + 1)) == text
    text = 'all 15 files have 2-3 steps fewer than expected; clip_len=16 would fit them'
    assert systematic_difference(files(grid_of(clip_len=6))) == text
    # 0.1 % of ten minutes
    assert (
        systematic_difference(files(grid_of(fps=24.975)))
        == 'fps=25 would fit all 15 files to the step'
    )
    jitter = iter(np.random.default_rng(0).integers(-2, 3, 15).tolist())
    assert systematic_difference(files(steps=lambda number: number + next(jitter))) is None
