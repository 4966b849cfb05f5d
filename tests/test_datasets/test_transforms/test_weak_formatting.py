"""Clicks in seconds -> steps."""

import numpy as np
import pytest

from asl_mmaction.datasets.transforms import PackWeakInputs, ResizeFeature, notices
from asl_mmaction.structures.feature_grid import FeatureGrid


def make_results(times, labels, steps=5):
    return {
        'feature': np.zeros((steps, 3), np.float32),
        'grid': FeatureGrid(fps=10, feat_stride=4, clip_len=8),  # step t stands at 0.4 t + 0.4 s
        'video_name': 'v',
        'duration': 2.4,
        'segments': np.zeros((0, 2)),
        'labels': np.zeros(0, np.int64),
        'video_labels': np.array([0, 1], np.float32),
        'click_times': np.array(times, np.float64),
        'click_labels': np.array(labels, np.int64),
    }


def test_clicks_belong_to_the_nearest_step():
    sample = PackWeakInputs()(make_results([1.25, 0.0, 2.4, 0.85], [2, 2, 1, 0]))['data_samples']
    clicks = dict(
        zip(sample.gt_clicks.steps.tolist(), sample.gt_clicks.labels.tolist(), strict=True)
    )
    assert clicks == {2: 2, 0: 2, 4: 1, 1: 0}
    assert sample.gt_label.tolist() == [0, 1]
    assert 'gt_instances' not in sample
    assert sample.num_steps == 5


def test_clicks_of_one_step_are_one_or_none(monkeypatch):
    said = []
    monkeypatch.setattr(notices, 'print_log', lambda text, **_: said.append(text))
    results = make_results([0.41, 0.39, 1.2, 1.21], [2, 2, 2, 0])
    pack = PackWeakInputs()
    clicks = pack(results)['data_samples'].gt_clicks
    pack(results)
    assert (clicks.steps.tolist(), clicks.labels.tolist()) == ([0], [2])
    assert len(said) == 1
    assert "video 'v': 1 of 2 clicked steps have clicks of several classes" in said[0]


def test_no_clicks():
    clicks = PackWeakInputs()(make_results([], []))['data_samples'].gt_clicks
    assert len(clicks) == 0


def test_on_a_resized_grid():
    results = ResizeFeature(length=10)(make_results([0.4, 2.0], [2, 2]))
    steps = PackWeakInputs()(results)['data_samples'].gt_clicks.steps.tolist()
    grid = results['grid']
    assert steps == [round(grid.to_grid(0.4)), round(grid.to_grid(2.0))]
    assert steps == [0, 8]


def test_a_sample_of_full_supervision_is_refused():
    results = make_results([], [])
    del results['video_labels']
    with pytest.raises(ValueError, match="video 'v': expected video_labels"):
        PackWeakInputs()(results)
