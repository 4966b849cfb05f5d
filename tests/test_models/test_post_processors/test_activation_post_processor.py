"""Detections from activations: planted rectangles, degenerate videos, and a slow reference."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from asl_mmaction.models.post_processors import ActivationPostProcessor
from asl_mmaction.structures.activations import ActivationScores
from asl_mmaction.structures.segments import segment_tiou

THUMOS = dict(magnitude_thresholds=[0.3 + 0.075 * i for i in range(7)])
ACTIVITYNET = dict(
    class_threshold=0.1,
    thresholds=[0.025 * i for i in range(6)],
    outer_ratio=20.0,
    video_score_weight=0.6,
    shrink=0.02,
    whole_video_score=0.6,
    iou_threshold=0.7,
)


def found(activations, video_scores, lengths=None):
    """(N, T, K) and (N, K) lists -> what a head gives."""
    activations = torch.tensor(activations, dtype=torch.float64)
    lengths = torch.tensor(lengths or [activations.size(1)] * len(activations))
    masks = torch.arange(activations.size(1)) < lengths[:, None]
    magnitudes = activations.abs().sum(-1)
    scores = torch.tensor(video_scores, dtype=torch.float64)
    return ActivationScores(activations, scores, magnitudes, masks)


def candidates_by_loop(activations, video_scores, magnitudes, settings, short_right=False):
    """Section 2 of the method's description, run by run: rows of (label, start, end, score).

    Times are in samples, scores as they are before they are brought to [0, 1]. ``short_right``: as
    the public code counts what lies behind a run, one sample less than before it; such a run at
    sample 0 alone is left out there.
    """
    r = settings.get('samples_per_step', 8)
    gamma, ratio = settings.get('video_score_weight', 0.2), settings.get('outer_ratio', 0.25)
    thresholds = settings.get('thresholds', [0.025 * i for i in range(10)])

    def upsample(x):
        return F.interpolate(torch.as_tensor(x)[None, None], len(x) * r, mode='linear')[
            0, 0
        ].numpy()

    def runs(values):
        inside, out = np.flatnonzero(values > 0), []
        for j in inside:
            if out and out[-1][1] == j:
                out[-1][1] = j + 1
            else:
                out.append([j, j + 1])
        return [] if short_right and not inside.any() else out

    rows = []
    for label in np.flatnonzero(np.array(video_scores) >= settings.get('class_threshold', 0.25)):
        a = activations[:, label]
        low, high = max(a.min(), 0), max(a.max(), 0)
        z = upsample((a - low) / (high - low if high > low else 1))
        m = (magnitudes - magnitudes.min()) / max(np.ptp(magnitudes), 1e-300)
        cuts = [(np.where(z >= th, z, 0), np.where(z >= th, z, 0)) for th in thresholds]
        for th in settings.get('magnitude_thresholds', ()):
            cuts.append((np.where(upsample(m) >= th, upsample(m), 0), z))
        for where, values in cuts:
            for start, end in runs(where):
                width = ratio * (end - start)
                before = list(range(max(0, math.floor(start - width)), start))
                stop = int(end - 1 + width) if short_right else end + math.ceil(width)
                outer = before + list(range(end, min(len(z), stop)))
                contrast = values[start:end].mean() - (values[outer].mean() if outer else 0)
                cut = settings.get('shrink', 0) * (end - start)
                score = contrast + gamma * video_scores[label]
                rows.append((label, start + cut, end - cut, score))
                if settings.get('whole_video_score') is not None:
                    rows.append((label, 0, len(z), settings['whole_video_score']))
    return rows


@pytest.mark.parametrize('settings', [THUMOS, ACTIVITYNET], ids=['THUMOS14', 'ActivityNet'])
@pytest.mark.parametrize('seed', range(3))
def test_candidates_equal_the_slow_reference(settings, seed):
    rng = np.random.default_rng(seed)
    steps = 15
    activations = np.cumsum(rng.standard_normal((1, steps + 3, 3)), axis=1)
    video_scores = np.array([[0.5, 0.05, 0.3]])
    batch = found(activations, video_scores, [steps])
    (candidates,) = ActivationPostProcessor(**settings).select(batch)
    magnitudes = batch.magnitudes[0, :steps].numpy()
    rows = candidates_by_loop(activations[0, :steps], video_scores[0], magnitudes, settings)
    gamma = settings.get('video_score_weight', 0.2)
    expected = {
        (
            label,
            round(start / 8 - 0.5, 9),
            round(end / 8 - 0.5, 9),
            round((score + 1) / (2 + gamma), 9),
        )
        for label, start, end, score in rows
        if score > -1
    }
    got = zip(candidates.labels, *candidates.segments.T, candidates.scores, strict=True)
    got = {(int(n), *(round(float(v), 9) for v in rest)) for n, *rest in got}
    assert {row for row in got if row[3] > 0} == expected


@pytest.mark.parametrize('place', [(4, 9), (0, 5), (14, 20), (3, 4)])
def test_a_planted_rectangle_is_found(place):
    """At threshold t, a rectangle of height 1 is left half a step plus or minus (0.5 - t) wider."""
    activations = np.full((1, 20, 2), -1.0)
    activations[0, place[0] : place[1], 1] = 1
    options = dict(thresholds=[0.5], samples_per_step=64)
    processor = ActivationPostProcessor(**options)
    (candidates,) = processor.select(found(np.maximum(activations, 0), [[0.0, 0.9]]))
    (segment,) = candidates.segments
    expected = [place[0] - 0.5, place[1] - 0.5]
    assert segment == pytest.approx(expected, abs=1 / 64)
    detections = processor.thin_out(candidates)
    assert detections.labels.tolist() == [1]
    assert segment_tiou(detections.segments.numpy(), np.array([expected])).item() > 0.96


def test_several_rectangles_and_the_whole_video():
    activations = np.zeros((1, 40, 1))
    for start, end in ((0, 6), (15, 20), (34, 40)):
        activations[0, start:end] = 1
    processor = ActivationPostProcessor(**{**ACTIVITYNET, 'shrink': 0.0, 'thresholds': [0.5]})
    batch = found(activations, [[0.9]])
    bounds = [(-2.0, 41.0)]
    (candidates,) = processor.select(batch, bounds)
    expected = [(-0.5, 5.5), (14.5, 19.5), (33.5, 39.5), (-2.0, 41.0)]
    np.testing.assert_allclose(candidates.segments, expected, atol=1 / 8)
    assert candidates.scores[3] == pytest.approx(1.6 / 2.6)
    (alone,) = processor.select(batch)
    assert alone.segments[3].tolist() == [-0.5, 39.5]
    (short,) = processor.select(batch, [(-0.25, 17.0)])  # the last one lies behind the video
    expected = [(-0.25, 5.5), (14.5, 17.0), (-0.25, 17.0)]
    np.testing.assert_allclose(short.segments, expected, atol=1 / 8)


@pytest.mark.parametrize(
    'activations', [np.full((1, 6, 1), 2.0), np.full((1, 6, 1), -2.0), np.full((1, 1, 1), 3.0)]
)
def test_what_never_changes_has_no_run(activations):
    for settings in (THUMOS, ACTIVITYNET):
        processor = ActivationPostProcessor(**settings)
        (candidates,) = processor.select(found(activations, [[0.9]]))
        assert len(candidates.scores) == 0
        assert len(processor.thin_out(candidates).scores) == 0


def test_a_single_step_above_the_others():
    activations = np.array([[[0.0], [0.0], [1.0], [0.0]]])
    (candidates,) = ActivationPostProcessor(thresholds=[0.5]).select(found(activations, [[0.9]]))
    np.testing.assert_allclose(candidates.segments, [[1.5, 2.5]], atol=1 / 8)


@pytest.mark.parametrize('level', ['thresholds', 'magnitude_thresholds'])
def test_what_equals_a_threshold_is_in_a_run(level):
    """Scaled, the steps are 0, 0.5, 1, 0, and a run is never of what is 0."""
    activations = np.array([[[0.0], [2.0], [4.0], [0.0]]])
    options = dict(thresholds=[0.75], samples_per_step=1)
    for threshold in (0.0, 0.5):
        processor = ActivationPostProcessor(**{**options, level: [threshold]})
        (candidates,) = processor.select(found(activations, [[0.9]]))
        assert candidates.segments.tolist()[-1] == [0.5, 2.5]


def test_a_class_and_a_length_at_their_limits_stay():
    activations = np.array([[[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]])
    options = dict(thresholds=[0.5], samples_per_step=1, class_threshold=0.25, fallback_class=False)
    for limit, labels in ((1.0, [0]), (1.5, [])):
        processor = ActivationPostProcessor(**options, min_duration=limit)
        (candidates,) = processor.select(found(activations, [[0.25, 0.125]]))
        assert candidates.labels.tolist() == labels


def test_scores_that_activations_far_below_0_make():
    """Scaled they are -10, -2, 1, -10; the magnitudes cut out the first two steps."""
    activations = np.array([[[-10.0], [-2.0], [1.0], [-10.0]]])
    batch = found(activations, [[0.9]])._replace(magnitudes=torch.tensor([[9.0, 9, 0, 0]]))
    options = dict(thresholds=[0.5], magnitude_thresholds=[0.5], outer_ratio=0.5)
    options |= dict(samples_per_step=1, video_score_weight=0, contrast='raw')
    processor = ActivationPostProcessor(**options)
    (candidates,) = processor.select(batch)
    assert candidates.segments.tolist() == [[1.5, 2.5], [-0.5, 1.5]]
    assert candidates.scores.tolist() == [(1 - (-2 - 10) / 2 + 1) / 2, 0]
    (one,) = ActivationPostProcessor(**options, pre_nms_topk=1).select(batch)
    assert one.segments.tolist() == [[1.5, 2.5]]
    assert one.left_out == 0  # of those that score above 0.1


def test_the_best_class_goes_on_where_none_is_likely():
    rng = np.random.default_rng(0)
    batch = found(rng.random((1, 9, 3)), [[0.1, 0.2, 0.15]])
    (candidates,) = ActivationPostProcessor().select(batch)
    assert set(candidates.labels.tolist()) == {1}
    for settings in (THUMOS, ACTIVITYNET):
        settings = {**settings, 'fallback_class': False, 'class_threshold': 0.5}
        (candidates,) = ActivationPostProcessor(**settings).select(batch)
        assert len(candidates.labels) == 0


def test_raw_means_see_what_lies_below_the_threshold():
    activations = np.array([[[0.0], [0.0], [0.8], [1.0], [0.4], [0.0]]])
    batch, scores = found(activations, [[0.9]]), {}
    for contrast in ('thresholded', 'raw'):
        options = dict(thresholds=[0.5], outer_ratio=1.0, samples_per_step=1, contrast=contrast)
        (candidates,) = ActivationPostProcessor(**options, video_score_weight=0).select(batch)
        scores[contrast] = candidates.scores.item() * 2 - 1
    assert scores == pytest.approx({'thresholded': 0.9, 'raw': 0.9 - 0.4 / 4})


def test_padding_and_the_rest_of_the_batch_change_nothing():
    rng = np.random.default_rng(1)
    activations = rng.standard_normal((2, 12, 2))
    both = found(activations, [[0.6, 0.1], [0.3, 0.4]], [7, 12])
    processor = ActivationPostProcessor(**THUMOS)
    for n, length in ((0, 7), (1, 12)):
        alone = found(activations[n : n + 1, :length], [[0.6, 0.1], [0.3, 0.4]][n : n + 1])
        for x, y in zip(processor.select(both)[n], processor.select(alone)[0], strict=True):
            np.testing.assert_array_equal(x, y)


def test_scores_are_in_range_and_the_limit_counts():
    rng = np.random.default_rng(2)
    batch = found(rng.standard_normal((1, 60, 3)), [[0.6, 0.1, 0.3]])
    (candidates,) = ActivationPostProcessor(**THUMOS).select(batch)
    assert candidates.scores.min() >= 0
    assert candidates.scores.max() <= 1
    (few,) = ActivationPostProcessor(**THUMOS, pre_nms_topk=10).select(batch)
    assert sorted(few.scores) == sorted(candidates.scores)[-10:]
    assert few.left_out == (candidates.scores > 0.1).sum() - 10


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(thresholds=[]), r'thresholds in \[0, 1\)'),
        (dict(thresholds=[1.0]), r'thresholds in \[0, 1\)'),
        (dict(contrast='mean'), "contrast to be one of .* but got 'mean'"),
        (dict(shrink=0.5), r'shrink in \[0, 0.5\) but got 0.5'),
        (dict(samples_per_step=0), 'samples_per_step >= 1 but got 0'),
        (dict(outer_ratio=-1.0), 'outer_ratio >= 0 but got -1.0'),
        (dict(iou_threshold=2.0), 'iou_threshold'),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ActivationPostProcessor(**settings)
