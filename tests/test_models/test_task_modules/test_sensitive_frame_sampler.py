"""Sensitive frames against lists built ground truth by ground truth (section 3.3, eq. 12-13)."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asl_mmaction.models.sensitivity import ClassSensitivity
from asl_mmaction.models.task_modules import SensitiveFrameSampler
from asl_mmaction.structures.point_targets import GroundTruths

STEPS, NUM_CLASSES = 24, 2


def frames_in(start, end, num_valid):
    """Frames of a segment; of one that holds none, the one nearest to its centre, if it is near."""
    inside = [t for t in range(num_valid) if start <= t <= end]
    if inside or end < -0.5 or start > num_valid - 0.5:
        return inside
    return [min(max(round((start + end) / 2), 0), num_valid - 1)]


def gaussian(distance, mu, variance):
    return math.exp(-((distance - mu) ** 2) / (2 * variance))


def sample_by_lists(start, end, label, num_valid, delta, level):
    """{kind: {frame: weight}} of cls, loc and background of one ground truth; largest p: 1."""
    length = end - start
    inside = frames_in(start, end, num_valid)
    position = {t: min(max((t - (start + end) / 2) / length, -0.5), 0.5) for t in inside}
    out = {'cls': {}, 'loc': {}}
    for kind in out if inside else ():
        if level is None:
            anchors = [min(inside, key=lambda t: abs(position[t]))]
            weights = dict.fromkeys(inside, 1.0)
        else:
            mus = getattr(level, f'mu_{kind}')[label].tolist()
            sigmas = getattr(level, f'sigma_{kind}')[label].tolist()
            squared = kind == 'cls' or level.loc_denominator == 'std'
            variances = [sigma**2 if squared else sigma for sigma in sigmas]
            parts = [
                {t: gaussian(position[t], mu, variance) for t in inside}
                for mu, variance in zip(mus, variances, strict=True)
            ]
            weights = {t: sum(part[t] for part in parts) for t in inside}
            peaks = [weights] if kind == 'cls' else parts
            anchors = [max(inside, key=peak.get) for peak in peaks]
        chosen = [t for t in inside if any(abs(t - a) <= delta * length for a in anchors)]
        highest = max(weights[t] for t in chosen)
        out[kind] = {t: weights[t] / highest / len(chosen) for t in chosen}
    outside = [
        t
        for t in range(num_valid)
        if start - delta * length <= t <= start or end <= t <= end + delta * length
    ]
    out['background'] = {t: 1 / len(outside) for t in outside}
    return out


def as_row(weights):
    return torch.tensor([weights.get(t, 0.0) for t in range(STEPS)])


def one(segments, labels, num_valid=STEPS):
    """One video with its ground truths and one of padding."""
    count = len(labels)
    segments = torch.tensor([*segments, (0.0, 1.0)], dtype=torch.float32)[None]
    labels = torch.tensor([[*labels, 0]])
    masks = torch.tensor([[True] * count + [False]])
    return GroundTruths(segments, labels, masks), (torch.arange(STEPS) < num_valid)[None]


# Uneven numbers: no frame lies on a border of a region, no two are equally near to a peak.
position = st.integers(-30, 250).map(lambda x: x / 10 + 0.0137)
length = st.integers(1, 150).map(lambda x: x / 10 + 0.00317)
segment = st.tuples(position, length).map(lambda x: (x[0], x[0] + x[1]))
truths = st.lists(st.tuples(segment, st.integers(0, NUM_CLASSES - 1)), min_size=1, max_size=4)


@pytest.mark.parametrize('denominator', ['variance', 'std', None])
@settings(max_examples=60)
@given(
    truths=truths,
    num_valid=st.integers(1, STEPS),
    delta=st.sampled_from([0.05, 0.2, 0.5]),
    seed=st.integers(0, 10**6),
)
def test_equals_lists(denominator, truths, num_valid, delta, seed):
    torch.manual_seed(seed)
    level = None
    if denominator is not None:
        level = ClassSensitivity(num_classes=NUM_CLASSES, loc_denominator=denominator)
        for kind in ('cls', 'loc'):
            torch.nn.init.uniform_(getattr(level, f'mu_{kind}'), -0.6, 0.6)
            torch.nn.init.uniform_(getattr(level, f'sigma_{kind}'), 0.2, 2)
    # An action that ends before the video starts, or starts after its end, has no frame of it.
    segments, labels = zip(*truths, strict=True)
    ground_truths, mask = one(segments, labels, num_valid)
    pooling = SensitiveFrameSampler(delta=delta)(ground_truths, mask, level)
    for index, ((start, end), label) in enumerate(truths):
        start, end = ground_truths.segments[0, index].tolist()  # as rounded to float32
        expected = sample_by_lists(start, end, label, num_valid, delta, level)
        for kind, rows in zip(('cls', 'loc', 'background'), pooling[:3], strict=True):
            torch.testing.assert_close(rows[0, index], as_row(expected[kind]))
        assert pooling.has_background[0, index] == bool(expected['background'])
        assert pooling.has_frames[0, index] == bool(expected['cls']) == bool(expected['loc'])
    for rows in pooling:
        assert (rows[0, len(truths)] == 0).all()  # the padding


def chosen(rows, index=0):
    return rows[0, index].nonzero().flatten().tolist()


def test_by_hand_with_the_gaussians_of_the_start():
    level = ClassSensitivity(num_classes=1)
    ground_truths, mask = one([(5.0, 15.0)], [0])
    pooling = SensitiveFrameSampler(delta=0.2)(ground_truths, mask, level)
    assert chosen(pooling.cls) == [8, 9, 10, 11, 12]  # around the centre
    assert chosen(pooling.loc) == [5, 6, 7, 13, 14, 15]  # around start and end
    assert chosen(pooling.background) == [3, 4, 5, 15, 16, 17]
    assert pooling.cls[0, 0, 10].item() == pytest.approx(1 / 5)
    assert pooling.cls[0, 0, 12].item() == pytest.approx(math.exp(-0.02) / 5)
    p = [math.exp(-((t / 10) ** 2) / 2) + math.exp(-((1 - t / 10) ** 2) / 2) for t in range(3)]
    expected = [value / max(p) / 6 for value in p]  # the largest is 1
    assert pooling.loc[0, 0, 5:8].tolist() == pytest.approx(expected)


def test_without_class_level_around_the_centre_with_weight_one():
    ground_truths, mask = one([(5.0, 15.0)], [0])
    pooling = SensitiveFrameSampler(delta=0.2)(ground_truths, mask, None)
    for rows in (pooling.cls, pooling.loc):
        assert chosen(rows) == [8, 9, 10, 11, 12]
        assert rows[0, 0, 8:13].tolist() == pytest.approx([0.2] * 5)


@pytest.mark.parametrize('mode', ['cls', 'loc'])
def test_a_kind_without_gaussian_samples_around_the_centre(mode):
    level = ClassSensitivity(num_classes=1, **{mode: 'none'})
    ground_truths, mask = one([(5.0, 15.0)], [0])
    rows = getattr(SensitiveFrameSampler(delta=0.2)(ground_truths, mask, level), mode)
    assert chosen(rows) == [8, 9, 10, 11, 12]
    assert rows[0, 0, 8:13].tolist() == pytest.approx([0.2] * 5)


@pytest.mark.parametrize(('segment', 'frame'), [((7.1, 7.3), 7), ((7.6, 7.9), 8), ((19.2, 21), 19)])
def test_an_action_shorter_than_a_frame_has_one(segment, frame):
    level = ClassSensitivity(num_classes=1)
    ground_truths, mask = one([segment], [0], num_valid=20)
    pooling = SensitiveFrameSampler()(ground_truths, mask, level)
    assert chosen(pooling.cls) == chosen(pooling.loc) == [frame]
    assert pooling.cls[0, 0, frame] > 0.8  # its position stays within the action


@pytest.mark.parametrize('segment', [(30.0, 31.0), (19.6, 19.9), (-9.0, -0.7)])
def test_an_action_before_or_after_all_frames_has_none(segment):
    ground_truths, mask = one([segment, (5.0, 15.0)], [0, 0], num_valid=20)
    pooling = SensitiveFrameSampler()(ground_truths, mask, ClassSensitivity(num_classes=1))
    assert pooling.has_frames.tolist() == [[False, True, False]]
    assert chosen(pooling.cls) == chosen(pooling.loc) == []


def test_an_action_over_the_whole_video_has_no_background():
    ground_truths, mask = one([(-0.5, 23.5)], [0])
    pooling = SensitiveFrameSampler(delta=0.01)(ground_truths, mask, None)
    assert not pooling.has_background.any()
    assert (pooling.background == 0).all()
    assert pooling.background.isfinite().all()


def test_mu_out_of_the_action_samples_at_its_border():
    level = ClassSensitivity(num_classes=1)
    torch.nn.init.constant_(level.mu_cls, 3.0)
    ground_truths, mask = one([(5.0, 15.0)], [0])
    assert chosen(SensitiveFrameSampler()(ground_truths, mask, level).cls) == [13, 14, 15]


def test_gradient_reaches_mu_and_sigma():
    level = ClassSensitivity(num_classes=2)
    ground_truths, mask = one([(5.0, 15.0), (3.2, 9.1)], [0, 1])
    pooling = SensitiveFrameSampler()(ground_truths, mask, level)
    (pooling.cls[..., 9] + pooling.loc[..., 5]).sum().backward()
    for value in level.parameters():
        assert value.grad.isfinite().all()
        assert (value.grad != 0).any()
    assert not pooling.background.requires_grad


def test_delta_must_be_positive():
    with pytest.raises(ValueError, match='expected delta > 0 but got 0'):
        SensitiveFrameSampler(delta=0)
