"""The weakly supervised model as a whole."""

import copy

import pytest
import torch
from mmengine.structures import InstanceData

from asl_mmaction.structures.segments import segment_tiou

K = 2
MODEL = {
    'type': 'WeakLocalizer',
    'head': {
        'type': 'ActivationHead',
        'num_classes': K,
        'in_channels': 6,
        'channels': 16,
        'filter_channels': 8,
        'topk_ratio': 0.2,
        'dropout': 0.0,
        'affinity': {'hidden_channels': 8, 'channels': 4},
        'loss_click': {'type': 'ClickLoss'},
        'loss_separation': {'type': 'ScoreSeparationLoss'},
        'loss_affinity': {'type': 'AffinityLoss'},
    },
    'post_processor': {'type': 'ActivationPostProcessor', 'class_threshold': 0.2},
}


@pytest.fixture
def make_weak_sample(make_sample):
    """Function: a sample of ``steps`` steps with planted actions, labelled by video and clicks."""

    def make(steps, segments, labels, clicks, name):
        feature, sample = make_sample(steps, segments, labels, name, seed=len(name))
        feature = 0.1 * feature
        for (start, end), label in zip(segments, labels, strict=True):
            feature[round(start + 0.5) : round(end + 0.5), label] += 1
        sample.scored = InstanceData(segments=sample.gt_instances.segments)
        del sample.gt_instances
        sample.gt_label = torch.zeros(K)
        sample.gt_label[list(set(labels))] = 1
        sample.gt_clicks = InstanceData(
            steps=torch.tensor(clicks, dtype=torch.int64), labels=torch.full((len(clicks),), K)
        )
        return feature, sample

    return make


@pytest.fixture
def samples(make_weak_sample):
    return [
        make_weak_sample(20, [(4.5, 8.5)], [0], [1, 14], 'a'),
        make_weak_sample(25, [(9.5, 15.5)], [1], [3, 20], 'bb'),
        make_weak_sample(18, [(2.5, 6.5), (11.5, 15.5)], [0, 1], [0, 9, 17], 'ccc'),
        make_weak_sample(12, [], [], [5], 'dddd'),
    ]


def test_overfitting_finds_each_planted_action(build, collate, samples):
    model = build(MODEL, lively=False)
    batch = model.data_preprocessor(collate(*samples), training=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(150):
        losses = model(**batch, mode='loss')
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    model.eval()
    predicted = model(**model.data_preprocessor(collate(*samples)), mode='predict')
    for sample in predicted[:3]:
        truth = sample.grid.to_seconds(sample.scored.segments.double())
        found = sample.pred_instances.segments[:8]
        assert segment_tiou(truth, found).amax(1).min() > 0.7
        assert found.min() >= 0
        assert found.max() <= sample.duration
        assert sample.pred_instances.scores.diff().le(0).all()


def test_a_video_is_predicted_alike_alone_and_in_a_batch(build, collate, samples):
    model = build(MODEL).eval()
    together = model(**model.data_preprocessor(collate(*samples)), mode='predict')
    for sample, of_batch in zip(samples, together, strict=True):
        (alone,) = model(**model.data_preprocessor(collate(sample)), mode='predict')
        for name in ('segments', 'scores', 'labels'):
            torch.testing.assert_close(alone.pred_instances[name], of_batch.pred_instances[name])


def test_raw_outputs_and_losses_are_those_of_the_head(build, collate, samples):
    model = build(MODEL)
    batch = model.data_preprocessor(collate(*samples), training=True)
    raw = model(**batch, mode='tensor')
    assert raw.base.shape == raw.supp.shape == (4, 25, K + 1)
    losses = model(**batch, mode='loss')
    expected = model.head.loss_by_feat(raw, batch['masks'], batch['ground_truths'])
    assert {name: value.item() for name, value in losses.items()} == {
        name: value.item() for name, value in expected.items()
    }
    assert all('loss' in name for name in losses)


def test_the_data_preprocessor_is_the_config_s(build, collate, samples):
    model = build({**MODEL, 'data_preprocessor': {'type': 'WeakPreprocessor', 'size_divisor': 16}})
    assert model.data_preprocessor(collate(*samples))['masks'].shape == (4, 32)


def test_a_checkpoint_with_the_slots_loads_without(build):
    plain = copy.deepcopy(MODEL)
    for slot in ('affinity', 'loss_click', 'loss_separation', 'loss_affinity'):
        plain['head'][slot] = None
    keys = build(plain).load_state_dict(build(MODEL, seed=1).state_dict(), strict=False)
    assert not keys.missing_keys
    assert {key.split('.')[1] for key in keys.unexpected_keys} == {'affinity'}
