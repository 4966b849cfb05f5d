"""Windows change nothing but what the network sees at a time."""

import copy

import pytest
import torch
from mmengine.structures import InstanceData

from asl_mmaction.structures.windows import window_starts

LENGTH = 16


@pytest.fixture(scope='module', params=['point', 'tridet'])
def models(request, build, localizer_config):
    """The same weights, with and without windows."""
    config = localizer_config(**({'style': 'tridet'} if request.param == 'tridet' else {}))
    plain = build(config)
    config = copy.deepcopy(config)
    config.update(type='SlidingWindowLocalizer', window_length=LENGTH, windows_per_batch=2)
    windowed = build(config)
    windowed.load_state_dict(plain.state_dict())
    return plain.eval(), windowed.eval()


@pytest.fixture
def batch(models, make_sample, collate):
    def make(*lengths):
        samples = [make_sample(n, [(0.2, 3.9)], [1], name=f'v{n}', seed=n) for n in lengths]
        return models[0].data_preprocessor(collate(*samples), training=False)

    return make


def assert_same(ours, theirs):
    assert len(ours) == len(theirs) > 0
    torch.testing.assert_close(ours.scores, theirs.scores)
    assert torch.equal(ours.labels, theirs.labels)
    torch.testing.assert_close(ours.segments, theirs.segments)


@torch.no_grad()
def test_a_video_that_fits_into_a_window(models, batch):
    plain, windowed = models
    for length in (1, 7, LENGTH):
        ours = windowed(**batch(length), mode='predict')[0].pred_instances
        theirs = plain(**batch(length), mode='predict')[0].pred_instances
        assert_same(ours, theirs)


@torch.no_grad()
@pytest.mark.parametrize('overlap', [0.5, 0.0])
def test_long_videos_by_a_slow_reference(models, batch, overlap, monkeypatch):
    """Each window through the plain model, all candidates moved, one NMS."""
    plain, windowed = models
    monkeypatch.setattr(windowed, 'window_overlap', overlap)
    data = batch(37, 9, 50)
    found = windowed(**data, mode='predict')
    for row, sample in enumerate(found):
        feature = data['inputs'][row][data['masks'][row]]
        scores, segments = [], []
        for start in window_starts(len(feature), LENGTH, overlap):
            window = feature[start : start + LENGTH][None]
            steps = window.size(1)
            padded = torch.nn.functional.pad(window, (0, 0, 0, LENGTH - steps))
            mask = torch.arange(LENGTH)[None] < steps
            part = plain.head.predict(*plain.extract_feat(padded, mask))
            scores.append(part[0][part[2]])
            segments.append(part[1][part[2]].double() + start)
        scores, segments = torch.cat(scores)[None], torch.cat(segments)[None]
        mask = torch.ones(scores.shape[:2], dtype=torch.bool)
        (expected,) = plain.post_processor(scores, segments, mask)
        seconds = sample.grid.to_seconds(expected.segments)
        expected = InstanceData(
            segments=seconds.clamp(0, sample.duration),
            scores=expected.scores,
            labels=expected.labels,
        )
        assert_same(sample.pred_instances, expected)


@torch.no_grad()
def test_candidates_are_moved_at_full_precision(models, batch, monkeypatch):
    """A float32 has no third of a step at step 3,000,000."""
    _, windowed = models
    third = torch.tensor([1 / 3, 2 / 3], dtype=torch.float32)

    def predict(feats, masks):
        n = len(masks[0])
        return torch.full((n, 1, 1), 0.9), third.expand(n, 1, 2), torch.ones(n, 1).bool()

    monkeypatch.setattr(windowed, 'extract_feat', lambda windows, masks: (windows, [masks]))
    monkeypatch.setattr(windowed.head, 'predict', predict)
    monkeypatch.setattr(windowed, 'windows_per_batch', 10**6)
    num_steps = 3_000_000
    scores, segments, mask = windowed.predict_windows(torch.zeros(num_steps, 1))
    assert segments.dtype == torch.float64
    assert segments.shape == (1, scores.shape[1], 2)
    assert mask.all()
    last = num_steps - LENGTH
    torch.testing.assert_close(segments[0, -1], last + third.double())


def test_training_is_that_of_the_parent(models, make_sample, collate):
    plain, windowed = models
    samples = collate(make_sample(37, [(0.2, 3.9)], [1], name='v', seed=1))
    data = plain.data_preprocessor(samples, training=True)
    ours, theirs = windowed(**data, mode='loss'), plain(**data, mode='loss')
    assert ours.keys() == theirs.keys()
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name])


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'window_length': 18}, 'a multiple of size_divisor 4 but got 18'),
        ({'window_length': 0}, 'a multiple of size_divisor 4 but got 0'),
        ({'window_length': 16, 'windows_per_batch': 0}, 'windows_per_batch >= 1 but got 0'),
        ({'window_length': 16, 'window_overlap': 1.0}, r'overlap in \[0, 1\)'),
    ],
)
def test_settings(build, localizer_config, settings, message):
    config = copy.deepcopy(localizer_config())
    config.update(type='SlidingWindowLocalizer', **settings)
    with pytest.raises(ValueError, match=message):
        build(config)
