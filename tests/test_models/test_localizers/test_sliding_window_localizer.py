"""Windows change nothing but what the network sees at a time."""

import copy

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from asl_mmaction.ops.soft_nms import soft_nms
from asl_mmaction.structures.candidates import DenseCandidates
from asl_mmaction.structures.windows import Windows, window_starts

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
def test_a_video_of_one_window_has_the_limits_of_one_that_is_run_whole(models, batch, monkeypatch):
    for model in models:
        monkeypatch.setattr(model.post_processor, 'pre_nms_topk', 20)
        monkeypatch.setitem(model.post_processor.nms_options, 'max_per_video', 5)
    for length in (7, LENGTH):
        ours, theirs = (model(**batch(length), mode='predict')[0] for model in models)
        assert_same(ours.pred_instances, theirs.pred_instances)
        assert len(ours.pred_instances) == 5
        assert ours.pred_instances.limits == theirs.pred_instances.limits
        assert ours.pred_instances.limits.candidates > 0  # of these lively weights
        assert ours.pred_instances.limits.detections > 0


@torch.no_grad()
@pytest.mark.parametrize('overlap', [0.5, 0.0])
@pytest.mark.parametrize(('topk', 'most'), [(2000, 50), (20, 5)])
def test_long_videos_by_a_slow_reference(models, batch, overlap, topk, most, monkeypatch):
    """The best of each window through the plain model, all of them moved, one NMS."""
    plain, windowed = models
    monkeypatch.setattr(windowed, 'windows', Windows(LENGTH, overlap, per_batch=2))
    monkeypatch.setattr(windowed.post_processor, 'pre_nms_topk', topk)
    monkeypatch.setitem(windowed.post_processor.nms_options, 'max_per_video', most)
    data = batch(37, 9, 50)
    # The third video ends before its features do.
    cut = data['data_samples'][2]
    cut.set_metainfo({'duration': float(cut.grid.to_seconds(30.0))})
    found = windowed(**data, mode='predict')
    for row, sample in enumerate(found):
        feature = data['inputs'][row][data['masks'][row]]
        segments, scores, labels = [], [], []
        bounds = [float(sample.grid.to_grid(end)) for end in (0.0, sample.duration)]
        for start in window_starts(len(feature), LENGTH, overlap):
            window = feature[start : start + LENGTH][None]
            steps = window.size(1)
            padded = torch.nn.functional.pad(window, (0, 0, 0, LENGTH - steps))
            mask = torch.arange(LENGTH)[None] < steps
            part = plain.head.predict(*plain.extract_feat(padded, mask))
            inside = []
            for point in part.masks[0].nonzero()[:, 0].tolist():
                for label, score in enumerate(part.scores[0, point].tolist()):
                    segment = part.segments[0, point]
                    low, high = (segment if segment.dim() == 1 else segment[label]).tolist()
                    low, high = low + start, high + start
                    if low < bounds[1] and high > bounds[0]:
                        inside.append((-score, point, label, low, high))
            for score, _, label, low, high in sorted(inside)[:topk]:
                if min(high, bounds[1]) > max(low, bounds[0]):
                    segments.append((low, high))
                    scores.append(-score)
                    labels.append(label)
        limit = most * max(len(feature), LENGTH) // LENGTH
        columns = (np.array(column) for column in (segments, scores, labels))
        expected = soft_nms(*columns, max_per_video=limit)
        seconds = sample.grid.to_seconds(torch.from_numpy(expected.segments))
        expected = InstanceData(
            segments=seconds.clamp(0, sample.duration),
            scores=torch.from_numpy(expected.scores).float(),
            labels=torch.from_numpy(expected.labels),
        )
        assert_same(sample.pred_instances, expected)
        assert len(expected) == limit or most == 50
        assert (found[row].pred_instances.segments.diff() > 0).all()


@torch.no_grad()
def test_candidates_are_moved_at_full_precision(models, batch, monkeypatch):
    """A float32 has no third of a step at step 3,000,000."""
    _, windowed = models
    third = torch.tensor([1 / 3, 2 / 3], dtype=torch.float32)

    def predict(feats, masks, **_):
        n = len(masks[0])
        scores, mask = torch.full((n, 1, 1), 0.9), torch.ones(n, 1).bool()
        return DenseCandidates(third.expand(n, 1, 2), scores, mask)

    monkeypatch.setattr(windowed, 'extract_feat', lambda windows, masks: (windows, [masks]))
    monkeypatch.setattr(windowed.head, 'predict', predict)
    last = 3_000_000
    monkeypatch.setattr(Windows, 'starts', lambda *_: [0, last])
    found = windowed.find_candidates(torch.zeros(last + LENGTH, 1), (0.0, 4e6))
    assert found.segments.dtype == np.float64
    assert len(found.segments) == len(found.scores) == 2
    assert found.segments[1].tolist() == (last + third.double()).tolist()


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
        ({'window_length': 16, 'window_overlap': 1.0}, r'window_overlap in \[0, 1\) but got 1.0'),
    ],
)
def test_settings(build, localizer_config, settings, message):
    config = copy.deepcopy(localizer_config())
    config.update(type='SlidingWindowLocalizer', **settings)
    with pytest.raises(ValueError, match=message):
        build(config)
