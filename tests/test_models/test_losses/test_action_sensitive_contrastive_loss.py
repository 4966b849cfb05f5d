"""ASCL against explicit sums over features, written from section 3.3, eq. 11-14."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmaction.registry import MODELS

from asl_mmaction.models.losses import contrastive_loss
from asl_mmaction.models.sensitivity import ClassSensitivity
from asl_mmaction.structures.point_targets import GroundTruths

STEPS, CHANNELS, TAU = 20, 5, 0.3


def cosine(a, b):
    return (a @ b / max(a.norm(), 1e-6) / max(b.norm(), 1e-6)).item()


def loss_by_sums(feats, labels, background, tau):
    """Eq. 14 of lists of vectors: mean of -log(sum_pos / (sum_pos + sum_neg))."""
    total = 0.0
    for i, anchor in enumerate(feats):
        positive, negative = 0.0, sum(math.exp(cosine(anchor, f) / tau) for f in background)
        for j, other in enumerate(feats):
            if j == i:
                continue
            term = math.exp(cosine(anchor, other) / tau)
            if labels[j] == labels[i]:
                positive += term
            else:
                negative += term
        total -= math.log(positive / (positive + negative))
    return total / len(feats)


def pooled_features(feats, num_valid, truths, delta, level):
    """Eq. 11-13 of a batch, ground truth by ground truth: f_cls and f_loc, labels, f_bg."""
    f_sens, labels, f_bg = [], [], []
    for video, some in enumerate(truths):
        for (start, end), label in some:
            length, valid = end - start, range(num_valid[video])
            outside = [
                t
                for t in valid
                if start - delta * length <= t <= start or end <= t <= end + delta * length
            ]
            if outside:
                f_bg.append(sum(feats[video, t] for t in outside) / len(outside))
            if end < -0.5 or start > valid[-1] + 0.5:
                continue  # no feature of it
            inside = [t for t in valid if start <= t <= end]
            inside = inside or [min(max(round((start + end) / 2), 0), num_valid[video] - 1)]
            position = [min(max((t - (start + end) / 2) / length, -0.5), 0.5) for t in inside]
            if level is None:
                density = {
                    'cls': [[-abs(d) for d in position]],
                    'loc': [[-abs(d) for d in position]],
                }
                p = dict.fromkeys(density, [1.0] * len(inside))
            else:
                density = {
                    kind: level.log_density(
                        kind, torch.tensor(position), torch.full((len(inside),), label)
                    ).T.tolist()
                    for kind in ('cls', 'loc')
                }
                p = {
                    kind: [sum(map(math.exp, each)) for each in zip(*density[kind], strict=True)]
                    for kind in density
                }
            for kind, peaks in density.items():
                anchors = [inside[peak.index(max(peak))] for peak in peaks]
                chosen = [
                    i
                    for i, t in enumerate(inside)
                    if any(abs(t - a) <= delta * length for a in anchors)
                ]
                parts = [p[kind][i] * feats[video, inside[i]] for i in chosen]
                f_sens.append(sum(parts) / len(parts))
                labels.append(label)
    return f_sens, labels, f_bg


def clicked_features(feats, num_valid, truths, clicks):
    """The frames of background clicks, but for those that an action has."""
    found = []
    for video, some in enumerate(clicks):
        valid, taken = range(num_valid[video]), set()
        for (start, end), _ in truths[video]:
            inside = {t for t in valid if start <= t <= end}
            near = end >= -0.5 and start <= valid[-1] + 0.5
            nearest = min(max(round((start + end) / 2), 0), valid[-1])
            taken |= inside or ({nearest} if near else set())
        found += [feats[video, t] for t in some if t not in taken]
    return found


def batch(truths, num_valid, seed=0):
    torch.manual_seed(seed)
    feats = torch.randn(len(truths), STEPS, CHANNELS)
    mask = torch.arange(STEPS) < torch.tensor(num_valid)[:, None]
    most = max(1, *map(len, truths)) + 1
    segments = torch.tensor([0.0, 1.0]).repeat(len(truths), most, 1)
    labels = torch.zeros(len(truths), most, dtype=torch.int64)
    real = torch.zeros(len(truths), most, dtype=torch.bool)
    for video, some in enumerate(truths):
        for index, (segment, label) in enumerate(some):
            segments[video, index] = torch.tensor(segment)
            labels[video, index], real[video, index] = label, True
    return feats * mask[..., None], mask, GroundTruths(segments, labels, real)


def ascl(**kwargs):
    return MODELS.build({'type': 'ActionSensitiveContrastiveLoss', 'tau': TAU, **kwargs})


def class_level(seed):
    torch.manual_seed(seed)
    level = ClassSensitivity(num_classes=3)
    torch.nn.init.uniform_(level.mu_cls, -0.4, 0.4)
    torch.nn.init.uniform_(level.sigma_loc, 0.3, 2)
    return level


position = st.integers(-30, 230).map(lambda x: x / 10 + 0.0137)
length = st.integers(1, 150).map(lambda x: x / 10 + 0.00317)
segment = st.tuples(position, length).map(lambda x: (x[0], x[0] + x[1]))
video = st.lists(st.tuples(segment, st.integers(0, 2)), max_size=3)


@settings(max_examples=50)
@given(
    truths=st.lists(video, min_size=2, max_size=2),
    num_valid=st.lists(st.integers(1, STEPS), min_size=2, max_size=2),
    with_level=st.booleans(),
    delta=st.sampled_from([0.05, 0.2]),
    seed=st.integers(0, 10**6),
)
def test_equals_lists_and_sums(truths, num_valid, with_level, delta, seed):
    level = class_level(seed) if with_level else None
    feats, mask, ground_truths = batch(truths, num_valid, seed)
    module = ascl(sampler={'type': 'SensitiveFrameSampler', 'delta': delta}, loss_weight=0.5)
    loss = module(feats, mask, ground_truths, level)
    parts = pooled_features(feats, num_valid, truths, delta, level)
    if not parts[0]:
        assert loss.item() == 0
        return
    assert loss.item() == pytest.approx(0.5 * loss_by_sums(*parts, TAU), rel=1e-9)


@settings(max_examples=50)
@given(
    truths=st.lists(video, min_size=2, max_size=2),
    clicks=st.lists(st.lists(st.integers(0, 9), max_size=4, unique=True), min_size=2, max_size=2),
    num_valid=st.lists(st.integers(10, STEPS), min_size=2, max_size=2),
    seed=st.integers(0, 10**6),
)
def test_background_clicks_are_negatives(truths, clicks, num_valid, seed):
    feats, mask, ground_truths = batch(truths, num_valid, seed)
    padded = torch.tensor([some + [-1] * (5 - len(some)) for some in clicks])
    loss = ascl(loss_weight=0.5)(feats, mask, ground_truths._replace(clicks=padded))
    f_sens, labels, f_bg = pooled_features(feats, num_valid, truths, 0.2, None)
    if not f_sens:
        assert loss.item() == 0
        return
    f_bg += clicked_features(feats, num_valid, truths, clicks)
    assert loss.item() == pytest.approx(0.5 * loss_by_sums(f_sens, labels, f_bg, TAU), rel=1e-9)


def test_without_clicks_no_number_changes():
    truths = [[((2.1, 9.3), 0), ((11.2, 15.8), 1)], [((0.3, 6.4), 0)]]
    feats, mask, ground_truths = batch(truths, [STEPS, 12])
    feats.requires_grad_()
    found = []
    for clicks in (None, torch.zeros(2, 0, dtype=torch.int64), torch.full((2, 8), -1)):
        loss = ascl()(feats, mask, ground_truths._replace(clicks=clicks))
        found.append((loss, *torch.autograd.grad(loss, feats)))
    for plain, empty, padded in zip(*found, strict=True):
        assert torch.equal(plain, empty)
        torch.testing.assert_close(plain, padded)


@pytest.mark.parametrize(('sigma', 'mu'), [(0.065, 0.0), (0.05, 0.0), (0.05, 0.3)])
def test_of_one_frame_its_weight_does_not_count(single, sigma, mu):
    """Neither in the loss nor in the gradient, were it less than a float32 can hold."""
    truths = [[((4.0, 4.4), 0), ((10.0, 10.4), 1), ((15.0, 15.4), 0)]]
    feats, mask, ground_truths = batch(truths, [STEPS])
    level = ClassSensitivity(num_classes=3)
    expected = ascl()(feats, mask, ground_truths, level).item()
    torch.nn.init.constant_(level.sigma_cls, sigma)
    torch.nn.init.constant_(level.mu_cls, mu)
    loss = ascl()(feats, mask, ground_truths, level)
    loss.backward()
    # A cosine sums 5 products, divided by tau: it is right to 2 * 5 * eps / tau = 4e-6.
    assert loss.item() == pytest.approx(expected, rel=1e-4)
    # That of the weight itself is more than 100: (position - mu) / sigma**2.
    for value in (level.mu_cls, level.sigma_cls):
        assert value.grad.abs().max() < 0.01


@settings(max_examples=30)
@given(
    labels=st.lists(st.integers(0, 2), min_size=1, max_size=5),
    num_background=st.integers(0, 3),
    tau=st.sampled_from([0.1, 1.0]),
    seed=st.integers(0, 10**6),
)
def test_eq_14_alone(labels, num_background, tau, seed):
    torch.manual_seed(seed)
    labels = [*labels, *labels]  # every feature has its partner
    feats, background = torch.randn(len(labels), 4), torch.randn(num_background, 4)
    each = contrastive_loss(
        torch.cat([feats, torch.randn(2, 4)]),
        torch.tensor([*labels, 0, 1]),
        torch.tensor([True] * len(labels) + [False] * 2),
        torch.cat([background, torch.randn(1, 4)]),
        torch.tensor([True] * num_background + [False]),
        tau,
    )
    expected = loss_by_sums(list(feats), labels, list(background), tau)
    assert each.sum().item() / len(labels) == pytest.approx(expected, rel=1e-9)
    assert (each[-2:] == 0).all()


def test_a_single_class_without_background_is_zero():
    truths = [[((-0.5, STEPS - 0.5), 1)]]
    feats, mask, ground_truths = batch(truths, [STEPS])
    loss = ascl(sampler={'type': 'SensitiveFrameSampler', 'delta': 0.01})(
        feats, mask, ground_truths
    )
    assert loss.item() == pytest.approx(0, abs=1e-6)


def test_no_ground_truth_gives_zero_with_a_gradient_path():
    feats, mask, ground_truths = batch([[], []], [STEPS, 3])
    feats.requires_grad_()
    level = class_level(0)
    loss = ascl()(feats, mask, ground_truths, level)
    assert loss.item() == 0
    loss.backward()
    assert (feats.grad == 0).all()
    assert all((value.grad == 0).all() for value in level.parameters())


def test_gradient_is_that_of_the_sums_and_reaches_mu_and_sigma():
    truths = [[((2.1, 9.3), 0), ((11.2, 15.8), 1)], [((0.3, 6.4), 2)]]
    feats, mask, ground_truths = batch(truths, [STEPS, 12])
    level = class_level(0)
    module = ascl()
    feats.requires_grad_()
    module(feats, mask, ground_truths, level).backward()
    assert all((value.grad != 0).any() for value in level.parameters())
    assert (feats.grad[1, 12:] == 0).all()
    torch.autograd.gradcheck(lambda x: module(x, mask, ground_truths, level), feats, fast_mode=True)


def test_length_of_features_does_not_count():
    truths = [[((2.1, 9.3), 0), ((11.2, 15.8), 1)]]
    feats, mask, ground_truths = batch(truths, [STEPS])
    torch.testing.assert_close(
        ascl()(feats, mask, ground_truths), ascl()(100 * feats, mask, ground_truths)
    )


def test_sharp_temperature_stays_finite():
    truths = [[((2.1, 9.3), 0), ((11.2, 15.8), 1)]]
    feats, mask, ground_truths = batch(truths, [STEPS])
    feats.requires_grad_()
    loss = ascl(tau=1e-3)(feats, mask, ground_truths)
    loss.backward()
    assert loss.isfinite()
    assert feats.grad.isfinite().all()


def test_zero_features_stay_finite():
    feats, mask, ground_truths = batch([[((2.1, 9.3), 0), ((11.2, 15.8), 1)]], [STEPS])
    feats = torch.zeros_like(feats, requires_grad=True)
    loss = ascl()(feats, mask, ground_truths)
    loss.backward()
    assert loss.isfinite()
    assert feats.grad.isfinite().all()


def test_full_precision_under_autocast():
    truths = [[((2.1, 9.3), 0), ((11.2, 15.8), 1)], [((0.3, 6.4), 2)]]
    feats, mask, ground_truths = batch(truths, [STEPS, 12])
    level = class_level(0)
    expected = ascl(tau=0.07)(feats, mask, ground_truths, level)
    with torch.autocast('cpu', torch.bfloat16):
        loss = ascl(tau=0.07)(feats, mask, ground_truths, level)
    assert torch.equal(loss, expected)


def test_defaults_are_the_papers():
    module = MODELS.build({'type': 'ActionSensitiveContrastiveLoss'})
    assert (module.tau, module.loss_weight, module.sampler.delta) == (0.07, 0.3, 0.2)


def test_tau_must_be_positive():
    with pytest.raises(ValueError, match='expected tau > 0 but got 0'):
        ascl(tau=0)
