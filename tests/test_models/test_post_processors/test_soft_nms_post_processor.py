import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmaction.registry import MODELS

from asl_mmaction.models.post_processors import SoftNMSPostProcessor
from asl_mmaction.ops.soft_nms import soft_nms
from asl_mmaction.structures.candidates import Candidates, DenseCandidates


def batch(seed, videos=2, points=40, classes=3, own_segments=False, coarse=False):
    """Random candidates: segments (N, P, 2) or (N, P, K, 2), scores (N, P, K), masks (N, P)."""
    generator = torch.Generator().manual_seed(seed)

    def rand(*shape):
        values = torch.rand(*shape, generator=generator)
        return (values * 8).round() / 8 if coarse else values

    shape = (videos, points, classes) if own_segments else (videos, points)
    centers, halves = rand(*shape) * points, rand(*shape) * 4
    segments = torch.stack([centers - halves, centers + halves], dim=-1)
    return DenseCandidates(segments, rand(videos, points, classes), rand(videos, points) > 0.25)


def detect(processor, segments, scores, masks, bounds=None):
    """Detections of videos that are run whole."""
    found = DenseCandidates(segments, scores, masks)
    return [processor.thin_out(part) for part in processor.select(found, bounds)]


def slow_candidates(scores, segments, mask, thresh, topk, min_duration, bounds=(-1e9, 1e9)):
    """Plain loops over the points and classes of one video."""
    chosen = []
    for point in range(scores.shape[0]):
        for label in range(scores.shape[1]):
            if mask[point] and scores[point, label].item() > thresh:
                segment = segments[point] if segments.dim() == 2 else segments[point, label]
                start, end = segment.tolist()
                if start < bounds[1] and end > bounds[0]:
                    entry = (-scores[point, label].item(), point, label, start, end)
                    chosen.append(entry)
    chosen = sorted(chosen)[:topk]
    lengths = [min(entry[4], bounds[1]) - max(entry[3], bounds[0]) for entry in chosen]
    return [
        entry
        for entry, length in zip(chosen, lengths, strict=True)
        if length >= min_duration and length > 0
    ]


def as_lists(detections):
    return [[part.tolist() for part in (d.segments, d.scores, d.labels)] for d in detections]


@settings(max_examples=80)
@given(
    st.integers(0, 2**31),
    st.integers(0, 40),
    st.sampled_from([1, 7, 30, 2000]),
    st.sampled_from([0.0, 1.0]),
    st.sampled_from([None, (0.0, 40.0), (7.0, 20.5), (-100.0, -50.0)]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_matches_plain_loops(
    seed, points, topk, min_duration, bounds, own_segments, agnostic, coarse
):
    segments, scores, masks, _ = batch(
        seed, points=points, own_segments=own_segments, coarse=coarse
    )
    processor = SoftNMSPostProcessor(
        pre_nms_thresh=0.125,
        pre_nms_topk=topk,
        min_duration=min_duration,
        class_agnostic=agnostic,
        voting_threshold=0.7,
        max_per_video=20,
    )
    detections = detect(processor, segments, scores, masks, bounds and [(-1e9, 1e9), bounds])
    assert len(detections) == 2
    for video, detection in enumerate(detections):
        chosen = slow_candidates(
            *(scores[video], segments[video], masks[video], 0.125, topk, min_duration),
            *([bounds] if bounds and video == 1 else []),
        )
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
    (detection,) = detect(SoftNMSPostProcessor(), *batch(0, videos=1)[:3])
    assert len(detection) > 10
    assert detection.segments.dtype == torch.float64
    assert detection.scores.dtype == torch.float32
    assert detection.labels.dtype == torch.int64
    assert (detection.scores.diff() <= 0).all()


@pytest.mark.parametrize('own_segments', [False, True])
@pytest.mark.parametrize('coarse', [False, True])
def test_padding_and_batching_change_nothing(own_segments, coarse):
    segments, scores, masks, _ = batch(3, own_segments=own_segments, coarse=coarse)
    processor = SoftNMSPostProcessor(pre_nms_topk=50, voting_threshold=0.6)
    together = detect(processor, segments, scores, masks)
    alone = [
        detect(processor, *(part[i : i + 1] for part in (segments, scores, masks)))[0]
        for i in (0, 1)
    ]
    assert as_lists(together) == as_lists(alone)
    # Padding in the middle, as at the end of each level, full of the worst there could be.
    order = torch.cat([torch.arange(25), torch.full((9,), -1), torch.arange(25, 40)])
    padding = order < 0
    segments, scores, masks = segments[:, order], scores[:, order], masks[:, order]
    scores[:, padding], segments[:, padding], masks[:, padding] = 1.0, float('nan'), False
    assert as_lists(detect(processor, segments, scores, masks)) == as_lists(together)


def test_of_equal_scores_the_first_points_and_classes_enter():
    scores = torch.full((1, 6, 2), 0.5)
    segments = torch.stack([torch.arange(6.0), torch.arange(6.0) + 0.5], dim=-1)[None]
    masks = torch.tensor([[True, False, True, True, True, True]])
    (detection,) = detect(SoftNMSPostProcessor(pre_nms_topk=5), segments, scores, masks)
    found = sorted(zip(detection.segments[:, 0].tolist(), detection.labels.tolist(), strict=True))
    assert found == [(0.0, 0), (0.0, 1), (2.0, 0), (2.0, 1), (3.0, 0)]


def test_by_hand(single):
    # Point 1 overlaps point 0 by 1/3; point 2 is too short, point 3 below the threshold.
    segments = torch.tensor([[[0.0, 10.0], [5.0, 15.0], [7.0, 7.01], [30.0, 40.0]]])
    scores = torch.tensor([[[0.9, 0.2], [0.6, 0.3], [0.8, 0.8], [0.1, 0.05]]])
    masks = torch.ones(1, 4, dtype=torch.bool)
    processor = SoftNMSPostProcessor(pre_nms_thresh=0.1, method='linear')
    (detection,) = detect(processor, segments, scores, masks)
    assert detection.segments.tolist() == [[0, 10], [5, 15], [5, 15], [0, 10]]
    assert detection.labels.tolist() == [0, 0, 1, 1]
    torch.testing.assert_close(detection.scores, torch.tensor([0.9, 0.4, 0.3, 0.2 * 2 / 3]))


def test_what_lies_outside_of_the_video_takes_no_place_and_lowers_no_score():
    # Of the video [0, 10]: behind it, at its end, before it, in it, in it in part, no length.
    segments = torch.tensor(
        [[[12.0, 20.0], [10.0, 19.0], [-9.0, 0.0], [1.0, 9.0], [6.0, 20.0], [4.0, 4.0]]]
    )
    scores = torch.tensor([[[0.9], [0.8], [0.7], [0.6], [0.5], [0.4]]])
    masks = torch.ones(1, 6, dtype=torch.bool)
    processor = SoftNMSPostProcessor(pre_nms_topk=2, min_duration=0.0, max_per_video=2)
    (detection,) = detect(processor, segments, scores, masks, [(0.0, 10.0)])
    # [6, 20] overlaps [1, 9] by 3 of 19; [12, 20] and [10, 19] would have lowered it more.
    assert detection.segments.tolist() == [[1.0, 9.0], [6.0, 20.0]]
    expected = torch.tensor([0.6, 0.5 * math.exp(-((3 / 19) ** 2) / 0.5)])
    torch.testing.assert_close(detection.scores, expected.float())


def test_min_duration_counts_in_the_video():
    segments = torch.tensor([[[9.5, 30.0], [9.75, 30.0]]])
    scores, masks = torch.full((1, 2, 1), 0.5), torch.ones(1, 2, dtype=torch.bool)
    processor = SoftNMSPostProcessor(min_duration=0.5)
    (detection,) = detect(processor, segments, scores, masks, [(0.0, 10.0)])
    assert detection.segments.tolist() == [[9.5, 30.0]]


def apart(*scores):
    """Candidates of one video that do not overlap."""
    starts = np.arange(len(scores)) * 20.0
    labels = np.zeros(len(scores), dtype=np.int64)
    segments = np.stack([starts, starts + 10], axis=1)
    return Candidates(segments, np.array(scores), labels, limit=9, left_out=0)


@pytest.mark.parametrize(
    ('num_windows', 'expected'), [(0.3, 2), (1.0, 2), (1.4, 2), (1.5, 3), (4.0, 8), (99.0, 9)]
)
def test_each_window_of_a_recording_has_its_share_of_detections(num_windows, expected):
    detection = SoftNMSPostProcessor(max_per_video=2).thin_out(apart(*[0.9] * 9), num_windows)
    assert len(detection) == expected
    limits = detection.limits
    assert (limits.max_per_video, limits.max_detections) == (2, expected)


def test_each_window_of_a_batch_has_its_own_candidates():
    given = batch(1, videos=3)
    segments, scores, masks, _ = given
    processor = SoftNMSPostProcessor(pre_nms_topk=5, min_duration=0.0)
    for video, found in enumerate(processor.select(given)):
        chosen = slow_candidates(scores[video], segments[video], masks[video], 0.001, 5, 0.0)
        assert len(chosen) == 5
        assert sorted(zip(found.scores, found.labels, strict=True)) == sorted(
            (-entry[0], entry[2]) for entry in chosen
        )


def test_detections_that_the_limit_leaves_out_are_counted():
    processor = SoftNMSPostProcessor(max_per_video=2)
    scores = [0.9, 0.3, 0.2, 0.11, 0.1, 0.09]  # the limit of the count itself is not above it
    assert processor.thin_out(apart(*scores)).limits.detections == 2
    assert processor.thin_out(apart(*scores), 2.0).limits.detections == 0
    assert processor.thin_out(apart(0.9, 0.1, 0.1)).limits.detections == 0
    assert processor.thin_out(apart(0.9, 0.8)).limits.detections == 0
    assert processor.thin_out(apart()).limits.detections == 0
    strict = SoftNMSPostProcessor(max_per_video=1, min_score=0.25)
    assert strict.thin_out(apart(*scores)).limits.detections == 1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.booleans(), st.sampled_from([None, 0.7]))
def test_they_are_those_of_no_limit(seed, agnostic, voting):
    options = {'class_agnostic': agnostic, 'voting_threshold': voting}
    tensors = batch(seed, videos=1)[:3]
    (everything,) = detect(SoftNMSPostProcessor(max_per_video=10**6, **options), *tensors)
    (some,) = detect(SoftNMSPostProcessor(max_per_video=7, **options), *tensors)
    assert everything.limits.detections == 0
    assert some.limits.detections == int((everything.scores[7:] > 0.1).sum())
    assert torch.equal(some.segments, everything.segments[:7])


def test_candidates_that_the_limit_leaves_out_are_counted():
    scores = torch.tensor([[[0.9], [0.3], [0.2], [0.11], [0.09], [0.8]]])
    segments = torch.stack([torch.arange(6.0), torch.arange(6.0) + 1], dim=-1)[None]
    masks = torch.tensor([[True] * 5 + [False]])
    for topk, expected in ((1, 3), (3, 1), (4, 0), (5, 0), (2000, 0)):
        processor = SoftNMSPostProcessor(pre_nms_topk=topk)
        (detection,) = detect(processor, segments, scores, masks)
        assert detection.limits.candidates == expected
        assert detection.limits.pre_nms_topk == topk
    # What lies outside of the video is none.
    processor = SoftNMSPostProcessor(pre_nms_topk=1)
    (detection,) = detect(processor, segments, scores, masks, [(0.0, 2.0)])
    assert detection.limits.candidates == 1


@pytest.mark.parametrize('points', [0, 5])
def test_without_candidates(points):
    segments, scores, masks, _ = batch(0, points=points)
    for detection in detect(SoftNMSPostProcessor(), segments, scores * 0, masks):
        assert detection.segments.shape == (0, 2)
        assert detection.scores.shape == detection.labels.shape == (0,)
    assert detect(SoftNMSPostProcessor(), segments[:0], scores[:0], masks[:0]) == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_gpu_tensors_give_the_same():
    tensors = batch(5)[:3]
    processor = SoftNMSPostProcessor(voting_threshold=0.6)
    on_gpu = detect(processor, *(tensor.cuda() for tensor in tensors))
    assert as_lists(on_gpu) == as_lists(detect(processor, *tensors))


def test_is_built_from_a_config():
    processor = MODELS.build({'type': 'SoftNMSPostProcessor', 'method': 'hard'})
    assert processor.nms_options['method'] == 'hard'


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'method': 'soft'}, "but got 'soft'"),
        ({'sigma': -1}, 'sigma > 0 but got -1'),
        ({'pre_nms_thresh': 1.0}, r'pre_nms_thresh in \[0, 1\) but got 1.0'),
        ({'pre_nms_topk': 0}, 'pre_nms_topk, an int >= 1, but got 0'),
        ({'pre_nms_topk': 2.5}, 'pre_nms_topk, an int >= 1, but got 2.5'),
        ({'quality_power': [1, 2]}, r'quality_power to be cls and loc.* but got \[1, 2\]'),
        ({'min_duration': -0.1}, 'min_duration >= 0 but got -0.1'),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        SoftNMSPostProcessor(**options)


def test_shapes_that_do_not_fit_are_named():
    segments, scores, masks, _ = batch(0)
    processor = SoftNMSPostProcessor()
    with pytest.raises(ValueError, match=r'scores of shape \(N, P, K\) but got \(2, 40\)'):
        detect(processor, segments, scores[..., 0], masks)
    with pytest.raises(ValueError, match=r'bool masks of shape \(2, 40\) but got torch.float32'):
        detect(processor, segments, scores, masks.float())
    with pytest.raises(ValueError, match=r'segments of shape .* but got \(2, 39, 2\)'):
        detect(processor, segments[:, 1:], scores, masks)


def test_quality_multiplies_the_scores_before_anything_else():
    found = batch(3)
    generator = torch.Generator().manual_seed(4)
    quality = torch.rand(2, 40, 2, generator=generator)
    factor = quality[..., 0] ** 0.5 * quality[..., 1] ** 2
    weighed = found._replace(scores=found.scores * factor[..., None])
    options = dict(pre_nms_thresh=0.2, pre_nms_topk=25, max_per_video=9)
    powered = SoftNMSPostProcessor(quality_power=dict(cls=0.5, loc=2), **options)
    for one, other in zip(
        powered.select(found._replace(quality=quality)),
        SoftNMSPostProcessor(**options).select(weighed),
        strict=True,
    ):
        assert 0 < len(one.scores) <= 25
        np.testing.assert_array_equal(one.segments, other.segments)
        np.testing.assert_array_equal(one.labels, other.labels)
        np.testing.assert_allclose(one.scores, other.scores, rtol=1e-6)


def test_no_power_is_the_paper():
    found = batch(5)
    plain = SoftNMSPostProcessor().select(found)
    for power in (None, {}, dict(cls=0), dict(cls=0, loc=0.0)):
        processor = SoftNMSPostProcessor(quality_power=power)
        assert processor.quality_power is None
        for one, other in zip(processor.select(found), plain, strict=True):
            np.testing.assert_array_equal(one.scores, other.scores)


@pytest.mark.parametrize('power', [dict(loc=-1), dict(iou=1), dict(cls=math.inf), dict(loc='a')])
def test_powers_that_are_none(power):
    with pytest.raises(ValueError, match='expected quality_power to be cls and loc, both >= 0'):
        SoftNMSPostProcessor(quality_power=power)


def test_quality_that_does_not_come():
    processor = SoftNMSPostProcessor(quality_power=dict(loc=1))
    for quality in (None, torch.ones(2, 40)):
        with pytest.raises(ValueError, match=r'expected quality of shape \(2, 40, 2\)'):
            processor.select(batch(6)._replace(quality=quality))
