"""Padding of video labels and clicks."""

import pytest
import torch
from mmengine.structures import InstanceData

from asl_mmaction.models.data_preprocessors import WeakPreprocessor
from asl_mmaction.structures.weak_labels import NO_CLICK


def test_labels_and_clicks_are_padded(make_sample, collate):
    samples = [make_sample(3), make_sample(5, seed=1)]
    clicks = [([2, 0], [3, 1]), ([], [])]
    for (_, sample), (steps, labels) in zip(samples, clicks, strict=True):
        del sample.gt_instances
        sample.gt_label = torch.tensor([0.0, 1.0, 1.0])
        sample.gt_clicks = InstanceData(
            steps=torch.tensor(steps, dtype=torch.int64),
            labels=torch.tensor(labels, dtype=torch.int64),
        )
    batch = WeakPreprocessor(size_divisor=2)(collate(*samples), training=True)
    labels = batch['ground_truths']
    assert batch['inputs'].shape == (2, 6, 6)
    assert labels.video_labels.tolist() == [[0, 1, 1], [0, 1, 1]]
    assert labels.video_labels.dtype == batch['inputs'].dtype
    none = NO_CLICK
    assert labels.click_labels.tolist() == [[1, none, 3, none, none, none], [none] * 6]
    assert labels.background_clicks.nonzero().tolist() == [[0, 2]]


def test_prediction_needs_no_labels(make_sample, collate):
    feature, sample = make_sample(8)
    del sample.gt_instances
    batch = WeakPreprocessor()(collate((feature, sample)))
    assert batch['ground_truths'] is None
    assert batch['inputs'].size(1) == 8


def test_a_sample_of_full_supervision_is_refused(make_sample, collate):
    with pytest.raises(ValueError, match="video 'v': expected video labels and clicks to train on"):
        WeakPreprocessor()(collate(make_sample(8)), training=True)
