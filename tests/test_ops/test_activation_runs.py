"""Runs, contrast and sampling against loops and torch's own interpolation."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from asl_mmaction.ops.activation_runs import (
    find_runs,
    outer_inner_contrast,
    sample_between,
    scale_to_range,
)


def runs_by_loop(above):
    runs = []
    for row, line in enumerate(above):
        start = None
        for sample, inside in enumerate([*line, False]):
            if inside and start is None:
                start = sample
            if not inside and start is not None:
                runs.append((row, start, sample))
                start = None
    return runs


def contrast_by_loop(values, row, start, end, ratio):
    width = math.ceil(ratio * (end - start))
    outside = [
        values[row, j]
        for j in range(len(values[row]))
        if start - width <= j < start or end <= j < end + width
    ]
    return np.mean(values[row, start:end]) - (np.mean(outside) if outside else 0)


@settings(max_examples=50)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 12)),
    ratio=st.sampled_from([0.0, 0.25, 1.0, 20.0]),
    seed=st.integers(0, 10**6),
)
def test_runs_and_contrast_equal_the_loops(shape, ratio, seed):
    values = np.random.default_rng(seed).random(shape)
    runs = find_runs(values > 0.4)
    expected = runs_by_loop(values > 0.4)
    assert list(zip(*(x.tolist() for x in runs), strict=True)) == expected
    contrast = outer_inner_contrast(values, runs, ratio)
    by_loop = [contrast_by_loop(values, *run, ratio) for run in expected]
    np.testing.assert_allclose(contrast, by_loop, atol=1e-12)


def test_without_rows():
    runs = find_runs(np.zeros((0, 5), bool))
    assert [len(x) for x in runs] == [0, 0, 0]
    assert len(outer_inner_contrast(np.zeros((0, 5)), runs, 1.0)) == 0


@pytest.mark.parametrize(
    ('row', 'expected'),
    [
        ([1.0, 2.0, 3.0], [0, 0.5, 1]),
        ([-2.0, 0.0, 4.0], [-0.5, 0, 1]),  # below 0 counts as 0
        ([2.0, 2.0], [0, 0]),
        ([-3.0, -1.0], [-3, -1]),
        ([5.0], [0]),
    ],
)
def test_scaling(row, expected):
    np.testing.assert_allclose(scale_to_range(np.array([row])), [expected])


@pytest.mark.parametrize('num_steps', [1, 2, 7])
@pytest.mark.parametrize('samples_per_step', [1, 4])
def test_sampling_is_linear_interpolation(num_steps, samples_per_step):
    values = np.random.default_rng(0).random((2, num_steps))
    total = num_steps * samples_per_step
    expected = F.interpolate(torch.from_numpy(values)[None], total, mode='linear')[0]
    np.testing.assert_allclose(sample_between(values, samples_per_step), expected, atol=1e-12)
