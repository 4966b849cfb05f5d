import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmaction.registry import MODELS

from asl_mmaction.models.post_processors import SoftNMSPostProcessor
from asl_mmaction.ops.soft_nms import soft_nms


def batch(seed, videos=2, points=40, classes=3, own_segments=False, coarse=False):
    """Random scores (N, P, K), segments (N, P, 2) or (N, P, K, 2) and masks (N, P)."""
    generator = torch.Generator().manual_seed(seed)

    def rand(*shape):
        values = torch.rand(*shape, generator=generator)
        return (values * 8).round() / 8 if coarse else values

    shape = (videos, points, classes) if own_segments else (videos, points)
    centers, halves = rand(*shape) * points, rand(*shape) * 4
    segments = torch.stack([centers - halves, centers + halves], dim=-1)
    return rand(videos, points, classes), segments, rand(videos, points) > 0.25


def slow_candidates(scores, segments, mask, thresh, topk, min_duration):
    """Plain loops over the points and classes of one video."""
    chosen = []
    for point in range(scores.shape[0]):
        for label in range(scores.shape[1]):
            if mask[point] and scores[point, label].item() > thresh:
                segment = segments[point] if segments.dim() == 2 else segments[point, label]
                chosen.append((-scores[point, label].item(), point, label, *segment.tolist()))
    chosen = sorted(chosen)[:topk]
    return [entry for entry in chosen if entry[4] - entry[3] >= min_duration]


def as_lists(detections):
    return [[part.tolist() for part in (d.segments, d.scores, d.labels)] for d in detections]


@settings(max_examples=80)
@given(
    st.integers(0, 2**31),
    st.integers(0, 40),
    st.sampled_from([1, 7, 30, 2000]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_matches_plain_loops(seed, points, topk, own_segments, agnostic, coarse):
    scores, segments, masks = batch(seed, points=points, own_segments=own_segments, coarse=coarse)
    processor = SoftNMSPostProcessor(
        pre_nms_thresh=0.125,
        pre_nms_topk=topk,
        min_duration=1.0,
        class_agnostic=agnostic,
        voting_threshold=0.7,
        max_per_video=20,
    )
    detections = processor(scores, segments, masks)
    assert len(detections) == 2
    for video, detection in enumerate(detections):
        chosen = slow_candidates(scores[video], segments[video], masks[video], 0.125, topk, 1.0)
        labels = np.array([entry[2] for entry in chosen], dtype=np.int64)
        kept = soft_nms(
            np.array([entry[3:] for entry in chosen]).reshape(-1, 2),
            np.array([-entry[0] for entry in chosen]),
            None if agnostic else labels,
            voting_threshold=0.7,
            max_per_video=20,
        )
        np.testing.assert_allclose(detection.segments.numpy(), kept.segments, rtol=1e-12)
        np.testing.assert_array_equal(detection.scores.numpy(), kept.scores.astype(np.float32))
        assert detection.labels.tolist() == labels[kept.indices].tolist()


def test_output_types():
    (detection,) = SoftNMSPostProcessor()(*batch(0, videos=1))
    assert len(detection) > 10
    assert detection.segments.dtype == torch.float64
    assert detection.scores.dtype == torch.float32
    assert detection.labels.dtype == torch.int64
    assert (detection.scores.diff() <= 0).all()


@pytest.mark.parametrize('own_segments', [False, True])
@pytest.mark.parametrize('coarse', [False, True])
def test_padding_and_batching_change_nothing(own_segments, coarse):
    scores, segments, masks = batch(3, own_segments=own_segments, coarse=coarse)
    processor = SoftNMSPostProcessor(pre_nms_topk=50, voting_threshold=0.6)
    together = processor(scores, segments, masks)
    alone = [processor(scores[i : i + 1], segments[i : i + 1], masks[i : i + 1])[0] for i in (0, 1)]
    assert as_lists(together) == as_lists(alone)
    # Padding in the middle, as at the end of each level, full of the worst there could be.
    order = torch.cat([torch.arange(25), torch.full((9,), -1), torch.arange(25, 40)])
    padding = order < 0
    scores, segments, masks = scores[:, order], segments[:, order], masks[:, order]
    scores[:, padding], segments[:, padding], masks[:, padding] = 1.0, float('nan'), False
    assert as_lists(processor(scores, segments, masks)) == as_lists(together)


def test_of_equal_scores_the_first_points_and_classes_enter():
    scores = torch.full((1, 6, 2), 0.5)
    segments = torch.stack([torch.arange(6.0), torch.arange(6.0) + 0.5], dim=-1)[None]
    masks = torch.tensor([[True, False, True, True, True, True]])
    (detection,) = SoftNMSPostProcessor(pre_nms_topk=5)(scores, segments, masks)
    found = sorted(zip(detection.segments[:, 0].tolist(), detection.labels.tolist(), strict=True))
    assert found == [(0.0, 0), (0.0, 1), (2.0, 0), (2.0, 1), (3.0, 0)]


def test_by_hand(single):
    # Point 1 overlaps point 0 by 1/3; point 2 is too short, point 3 below the threshold.
    segments = torch.tensor([[[0.0, 10.0], [5.0, 15.0], [7.0, 7.01], [30.0, 40.0]]])
    scores = torch.tensor([[[0.9, 0.2], [0.6, 0.3], [0.8, 0.8], [0.1, 0.05]]])
    masks = torch.ones(1, 4, dtype=torch.bool)
    (detection,) = SoftNMSPostProcessor(pre_nms_thresh=0.1, method='linear')(
        scores, segments, masks
    )
    assert detection.segments.tolist() == [[0, 10], [5, 15], [5, 15], [0, 10]]
    assert detection.labels.tolist() == [0, 0, 1, 1]
    torch.testing.assert_close(detection.scores, torch.tensor([0.9, 0.4, 0.3, 0.2 * 2 / 3]))


@pytest.mark.parametrize('points', [0, 5])
def test_without_candidates(points):
    scores, segments, masks = batch(0, points=points)
    for detection in SoftNMSPostProcessor()(scores * 0, segments, masks):
        assert detection.segments.shape == (0, 2)
        assert detection.scores.shape == detection.labels.shape == (0,)
    assert SoftNMSPostProcessor()(scores[:0], segments[:0], masks[:0]) == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_gpu_tensors_give_the_same():
    tensors = batch(5)
    processor = SoftNMSPostProcessor(voting_threshold=0.6)
    on_gpu = processor(*(tensor.cuda() for tensor in tensors))
    assert as_lists(on_gpu) == as_lists(processor(*tensors))


def test_is_built_from_a_config():
    processor = MODELS.build({'type': 'SoftNMSPostProcessor', 'method': 'hard'})
    assert processor.nms_options['method'] == 'hard'


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'method': 'soft'}, "but got 'soft'"),
        ({'sigma': -1}, 'sigma > 0 but got -1'),
        ({'pre_nms_thresh': 1.0}, r'pre_nms_thresh in \[0, 1\) but got 1.0'),
        ({'pre_nms_topk': 0}, 'pre_nms_topk >= 1 but got 0'),
        ({'min_duration': -0.1}, 'min_duration >= 0 but got -0.1'),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        SoftNMSPostProcessor(**options)


def test_shapes_that_do_not_fit_are_named():
    scores, segments, masks = batch(0)
    processor = SoftNMSPostProcessor()
    with pytest.raises(ValueError, match=r'scores of shape \(N, P, K\) but got \(2, 40\)'):
        processor(scores[..., 0], segments, masks)
    with pytest.raises(ValueError, match=r'bool masks of shape \(2, 40\) but got torch.float32'):
        processor(scores, segments, masks.float())
    with pytest.raises(ValueError, match=r'segments of shape .* but got \(2, 39, 2\)'):
        processor(scores, segments[:, 1:], masks)
