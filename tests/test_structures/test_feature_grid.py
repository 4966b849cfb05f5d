import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asl_mmaction.structures.feature_grid import FeatureGrid, merge_grid_settings

grids = st.builds(
    FeatureGrid,
    fps=st.floats(0.5, 200),
    feat_stride=st.floats(0.25, 64),
    clip_len=st.floats(0, 128),
    origin=st.floats(-100, 5000),
)
seconds = st.floats(-10, 7200)


def test_known_values():
    # THUMOS14 I3D: 16 frames every 4, 30 fps; step 0 stands at frame 8
    grid = FeatureGrid(fps=30, feat_stride=4, clip_len=16)
    assert grid.to_seconds(0) == pytest.approx(8 / 30, abs=1e-15)
    assert grid.to_seconds(10) == pytest.approx(48 / 30, abs=1e-15)
    # ActionFormer's formula: t * fps / stride - 0.5 * num_frames / stride
    assert grid.to_grid(2.0) == pytest.approx(2.0 * 30 / 4 - 0.5 * 16 / 4, abs=1e-12)


@given(grids, seconds)
def test_round_trip(grid, value):
    steps_per_second = grid.fps / grid.feat_stride
    tolerance = 1e-12 * (1 + abs(value) + (grid.clip_len + abs(grid.origin)) / steps_per_second)
    assert grid.to_seconds(grid.to_grid(value)) == pytest.approx(value, abs=tolerance)


@given(grids, st.integers(0, 500), seconds)
def test_a_shifted_grid_names_the_same_second_by_a_smaller_step(grid, steps, value):
    shifted = grid.shifted(steps)
    scale = 1 + abs(grid.to_grid(value)) + abs(grid.origin)
    assert shifted.to_grid(value) == pytest.approx(grid.to_grid(value) - steps, abs=1e-11 * scale)
    assert shifted.shifted(-steps).origin == pytest.approx(grid.origin, abs=1e-11)


def test_the_kind_and_type_of_the_values_stay():
    grid = FeatureGrid(fps=np.float64(25), feat_stride=np.int64(8), clip_len=16)
    for dtype in (np.float32, np.float64):
        values = np.array([[1.0, 2.5], [3.0, 80.0]], dtype=dtype)
        assert grid.to_grid(values).dtype == dtype
        assert grid.to_seconds(values).dtype == dtype
        tensor = grid.to_seconds(torch.from_numpy(values))
        assert tensor.dtype == torch.from_numpy(values).dtype
        np.testing.assert_array_equal(tensor.numpy(), grid.to_seconds(values))
    assert isinstance(grid.to_grid(1.5), float)
    assert grid.to_grid(np.zeros((0, 2))).shape == (0, 2)


@given(grids, st.integers(1, 1000))
def test_the_window_is_the_steps_widened_by_half_a_clip(grid, steps):
    start, end = grid.covered_seconds(steps)
    half = grid.clip_len / 2 / grid.fps
    assert start == pytest.approx(grid.to_seconds(0) - half, abs=1e-6)
    assert end == pytest.approx(grid.to_seconds(steps) + half, abs=1e-6)


@given(
    fps=st.floats(1, 60),
    stride=st.floats(0.5, 32),
    clip=st.floats(0, 64),
    duration=st.floats(0.1, 2000),
)
def test_the_window_of_a_whole_video_reaches_past_its_end(fps, stride, clip, duration):
    grid = FeatureGrid(fps, stride, clip)
    steps = grid.num_steps(duration)
    if steps:
        assert grid.covered_seconds(steps)[0] == pytest.approx(0, abs=1e-12)
        assert grid.covered_seconds(steps)[1] > duration - 1e-9
        # the last clip lies in the video
        assert grid.to_seconds(steps - 1) + clip / 2 / fps <= duration + 1e-5 * stride / fps


def test_num_steps_by_hand():
    grid = FeatureGrid(fps=50, feat_stride=25, clip_len=50)
    counts = {0.5: 0, 0.98: 0, 1.0: 1, 1.49: 1, 1.5: 2, 411.96: 822}
    assert {duration: grid.num_steps(duration) for duration in counts} == counts


@given(st.floats(0.5, 200), st.floats(0.25, 64), st.floats(0, 128), st.integers(1, 10**5))
def test_num_steps_forgives_a_millionth_of_a_step(fps, stride, clip_len, steps):
    """What rounding a sum of two products of doubles moves is far below: 1e5 * 4 * eps = 1e-10."""
    grid = FeatureGrid(fps, stride, clip_len)
    exact = ((steps - 1) * stride + clip_len) / fps  # the last clip ends with the video
    counts = [grid.num_steps(exact - part * stride / fps) for part in (0, 0.9e-6, 1.1e-6, 1e-3)]
    assert counts == [steps, steps, steps - 1, steps - 1]


@pytest.mark.parametrize(
    ('settings', 'error', 'message'),
    [
        ({'fps': 0}, ValueError, 'expected fps > 0 but got 0'),
        ({'feat_stride': -4}, ValueError, 'expected feat_stride > 0 but got -4'),
        ({'clip_len': -1}, ValueError, 'expected clip_len >= 0 but got -1'),
        ({'origin': float('nan')}, ValueError, 'expected origin to be a number but got nan'),
        ({'fps': '30'}, TypeError, "expected fps to be a number but got '30'"),
        ({'clip_len': None}, TypeError, 'expected clip_len to be a number but got None'),
    ],
)
def test_wrong_settings(settings, error, message):
    with pytest.raises(error, match=message):
        FeatureGrid(**{'fps': 30, 'feat_stride': 4, 'clip_len': 16, **settings})


def test_a_later_setting_counts():
    config, file = {'feat_stride': 5, 'clip_len': 10}, {'fps': 30, 'clip_len': 16}
    assert FeatureGrid.from_settings(file, config) == FeatureGrid(30, 5, 10)
    assert FeatureGrid.from_settings(config, file) == FeatureGrid(30, 5, 16)
    assert FeatureGrid.from_settings(None, file, {}, config, None) == FeatureGrid(30, 5, 10)
    assert (config, file) == ({'feat_stride': 5, 'clip_len': 10}, {'fps': 30, 'clip_len': 16})


def test_an_fps_of_none_is_left_out():
    everything = {'fps': 30, 'feat_stride': 5, 'clip_len': 10}
    assert FeatureGrid.from_settings(everything, {'fps': None}) == FeatureGrid(30, 5, 10)
    assert merge_grid_settings({'fps': None, 'clip_len': 10}) == {'clip_len': 10}


@pytest.mark.parametrize(
    ('layers', 'error', 'message'),
    [
        ([{'fps': 30}, {'clip_len': 10}], ValueError, 'fps, feat_stride, clip_len but got no feat'),
        ([{'fps': 30}, {'stride': 10}], ValueError, r"some of \('fps', .* but got 'stride'"),
        ([{'fps': 30, 'feat_stride': 0, 'clip_len': 1}], ValueError, 'feat_stride > 0 but got 0'),
        (
            [{'fps': '30', 'feat_stride': 5, 'clip_len': 1}],
            TypeError,
            "fps to be a number but got '",
        ),
        (
            [{'fps': 30, 'feat_stride': None, 'clip_len': 1}],
            TypeError,
            'feat_stride to be a number',
        ),
    ],
)
def test_settings_that_make_no_grid(layers, error, message):
    with pytest.raises(error, match=f"^a.json: video 'v': expected .*{message}"):
        FeatureGrid.from_settings(*layers, where="a.json: video 'v'")
    with pytest.raises(error, match=f'^expected .*{message}'):
        FeatureGrid.from_settings(*layers)
