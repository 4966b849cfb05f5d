"""Padding of features and ground truths."""

import pytest
import torch
from mmengine.structures import InstanceData

from asl_mmaction.models.data_preprocessors import FeaturePreprocessor


def test_pads_to_the_longest_rounded_up(make_sample, collate):
    short, long = make_sample(3, [(0, 2)], [1]), make_sample(9, seed=1)
    batch = FeaturePreprocessor(size_divisor=4)(collate(short, long), training=True)
    assert batch['inputs'].shape == (2, 12, 6)
    assert torch.equal(batch['inputs'][0, :3], short[0])
    assert torch.equal(batch['inputs'][1, :9], long[0])
    assert (batch['inputs'][0, 3:] == 0).all()
    assert batch['masks'].sum(1).tolist() == [3, 9]
    assert batch['masks'][0].tolist() == [True] * 3 + [False] * 9
    assert [sample.num_steps for sample in batch['data_samples']] == [3, 9]


@pytest.mark.parametrize(('steps', 'expected'), [(1, 16), (16, 16), (17, 20)])
def test_min_len(make_sample, collate, steps, expected):
    batch = FeaturePreprocessor(size_divisor=4, min_len=13)(collate(make_sample(steps)))
    assert batch['inputs'].size(1) == expected


def test_sizes_of_training_batches_may_only_grow(make_sample, collate):
    """As a CUDA graph wants it; what is tested keeps its own length."""
    long = collate(make_sample(17, [(1, 3)] * 3, [2, 0, 1]))
    short = collate(make_sample(3, [(0, 2)], [1]))
    preprocessor = FeaturePreprocessor(size_divisor=4, gt_divisor=2)
    own = preprocessor(short, training=True)
    preprocessor.largest = {}

    def sizes(batch):
        return batch['inputs'].size(1), batch['ground_truths'].masks.size(1)

    assert [sizes(preprocessor(x, training=True)) for x in (short, long, short)] == [
        (4, 2),
        (20, 4),
        (20, 4),
    ]
    grown = preprocessor(short, training=True)
    assert grown['masks'].sum() == own['masks'].sum() == 3
    assert grown['ground_truths'].masks.sum() == 1
    assert preprocessor(short)['inputs'].size(1) == 4
    preprocessor.largest = None
    assert sizes(preprocessor(short, training=True)) == (4, 2)


def test_ground_truths_are_padded_with_a_mask(single, make_sample, collate):
    samples = collate(
        make_sample(8, [(1, 3), (2, 7.5), (0, 8)], [2, 0, 1]),
        make_sample(8),
        make_sample(8, [(4, 5)], [2]),
    )
    segments, labels, masks, clicks = FeaturePreprocessor(gt_divisor=4)(samples, training=True)[
        'ground_truths'
    ]
    assert clicks is None
    assert segments.shape == (3, 4, 2)
    assert segments.dtype == torch.float32
    assert masks.tolist() == [[True, True, True, False], [False] * 4, [True] + [False] * 3]
    assert segments[masks].tolist() == [[1, 3], [2, 7.5], [0, 8], [4, 5]]
    assert labels[masks].tolist() == [2, 0, 1, 2]
    assert (labels[~masks] == 0).all()
    assert ((segments[..., 1] - segments[..., 0]) > 0).all()


def test_a_batch_without_ground_truth_still_has_a_padded_one(make_sample, collate):
    batch = FeaturePreprocessor(gt_divisor=1)(collate(make_sample(8)), training=True)
    assert batch['ground_truths'].masks.tolist() == [[False]]


def test_background_clicks_are_padded(make_sample, collate):
    samples = [make_sample(8, [(1, 3)], [2]), make_sample(8)]
    clicks = [([5, 2, 7], [3, 0, 3]), ([], [])]
    for (_, sample), (steps, labels) in zip(samples, clicks, strict=True):
        sample.gt_label = torch.tensor([0.0, 0.0, 1.0])
        steps, labels = (torch.tensor(x, dtype=torch.int64) for x in (steps, labels))
        sample.gt_clicks = InstanceData(steps=steps, labels=labels)
    preprocessor = FeaturePreprocessor(gt_divisor=4)
    found = preprocessor(collate(*samples), training=True)['ground_truths'].clicks
    assert found.tolist() == [[5, 7, -1, -1], [-1] * 4]
    found = preprocessor(collate(samples[1], samples[1]), training=True)['ground_truths'].clicks
    assert found.shape == (2, 0)


def test_a_sample_of_a_set_without_clicks_has_none(make_sample, collate):
    """As where a data set with a click file is joined with one without."""
    samples = [make_sample(8), make_sample(8)]
    samples[1][1].gt_label = torch.tensor([1.0, 0.0])
    samples[1][1].gt_clicks = InstanceData(steps=torch.tensor([3]), labels=torch.tensor([2]))
    preprocessor = FeaturePreprocessor(gt_divisor=1)
    found = preprocessor(collate(*samples), training=True)['ground_truths'].clicks
    assert found.tolist() == [[-1], [3]]


def test_prediction_needs_no_ground_truth(make_sample, collate):
    feature, sample = make_sample(8)
    del sample.gt_instances
    assert FeaturePreprocessor()(collate((feature, sample)))['ground_truths'] is None
