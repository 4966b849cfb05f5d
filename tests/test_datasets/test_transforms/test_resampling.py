import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import interpolate

from asl_mmaction.datasets.transforms import ResizeFeature
from asl_mmaction.datasets.transforms.resampling import resample
from asl_mmaction.structures.feature_grid import FeatureGrid

sizes = st.integers(1, 40)


def random_feature(steps):
    return np.random.default_rng(steps).normal(size=(steps, 3)).astype(np.float32)


def resize(steps, length, grid):
    results = {'feature': random_feature(steps), 'grid': grid}
    results = ResizeFeature(length=length)(results)
    return results['feature'], results['grid']


def test_resample_by_hand():
    feature = np.array([[0, 10], [2, 30], [4, 20]], dtype=np.float16)
    found = resample(feature, np.array([-5, 0, 0.5, 1.25, 2, 9]))
    assert found.dtype == np.float32
    expected = [[0, 10], [0, 10], [1, 20], [2.5, 27.5], [4, 20], [4, 20]]
    np.testing.assert_array_equal(found, expected)


@given(sizes, sizes)
def test_resizing_is_that_of_torch(steps, length):
    found, _ = resize(steps, length, FeatureGrid(10, 4, 8))
    tensor = torch.from_numpy(random_feature(steps)).double().T[None]
    expected = interpolate(tensor, size=length, mode='linear', align_corners=False)[0].T
    # Share, difference, product and sum are rounded to float32 once each.
    allowed = 4 * np.finfo(np.float32).eps * tensor.abs().max().item()
    np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=allowed)


@given(sizes, sizes, st.floats(0.5, 60), st.floats(0.5, 40), st.floats(0, 80), st.floats(-9, 99))
def test_every_step_keeps_its_time(steps, length, fps, feat_stride, clip_len, origin):
    grid = FeatureGrid(fps, feat_stride, clip_len, origin)
    _, resized = resize(steps, length, grid)
    after = np.arange(length, dtype=np.float64)
    before = (after + 0.5) * steps / length - 0.5
    np.testing.assert_allclose(resized.to_seconds(after), grid.to_seconds(before), atol=1e-6)


@pytest.mark.parametrize(('steps', 'length'), [(500, 192), (37, 192), (192, 192)])
def test_clips_without_gaps_divide_the_video(steps, length):
    """ActivityNet: 16-frame clips every 16 frames, as ActionFormer sets its grid."""
    grid = FeatureGrid(15, 16, 16)
    _, resized = resize(steps, length, grid)
    stride = ((steps - 1) * 16 + 16) / length
    assert resized.feat_stride == pytest.approx(stride)
    assert resized.clip_len == pytest.approx(stride)
    assert resized.origin == pytest.approx(0)
    start, end = resized.covered_seconds(length)
    assert start == pytest.approx(0)
    assert end >= steps * 16 / 15 - 1e-9


def test_settings():
    with pytest.raises(ValueError, match='expected length >= 1 but got 0'):
        ResizeFeature(length=0)
