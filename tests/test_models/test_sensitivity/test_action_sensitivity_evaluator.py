"""ASE: h = p + q on positives and 1 elsewhere, against a loop over the points."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmaction.registry import MODELS

from asl_mmaction.models.task_modules import PointAssigner, PointGenerator
from asl_mmaction.structures.point_targets import GroundTruths
from asl_mmaction.structures.sensitivity import QualityTargets

CLASS = {'type': 'ClassSensitivity'}
INSTANCE = {'type': 'InstanceSensitivity'}
POINTS = PointGenerator(strides=[1, 2, 4], regress_ranges=[(0, 4), (4, 8), (8, 100)])(
    (16, 8, 4), torch.device('cpu')
)


def evaluator(seed=0, **kwargs):
    torch.manual_seed(seed)
    config = {'type': 'ActionSensitivityEvaluator', 'num_classes': 3, 'in_channels': 4, **kwargs}
    module = MODELS.build(config)
    if module.class_level is not None:
        for name, value in module.class_level.named_parameters():
            torch.nn.init.uniform_(value, *((-0.5, 0.5) if 'mu' in name else (0.3, 2.0)))
    return module


def assert_close(ours, theirs):
    """Where there are no levels, the weights have the precision of the points."""
    torch.testing.assert_close(ours, theirs, check_dtype=False)


def problem(seed=0, count=4):
    """Levels (features, masks) and targets of two videos: the second without ground truth."""
    torch.manual_seed(seed)
    masks = [torch.ones(2, n, dtype=torch.bool) for n in (16, 8, 4)]
    levels = [torch.randn(2, n, 4) for n in (16, 8, 4)], masks
    start = 12 * torch.rand(2, count, 1)
    segments = torch.cat([start, start + 0.5 + 8 * torch.rand(2, count, 1)], dim=-1)
    truths = GroundTruths(
        segments, torch.randint(3, (2, count)), torch.tensor([[True], [False]]).expand(2, count)
    )
    targets = PointAssigner(num_classes=3, center_sampling_radius=None)(POINTS, truths)
    return levels, targets, truths


def by_loop(module, levels, targets, truths):
    """(2, N, P) weights of classification and localization."""
    quality = None if module.instance_level is None else module.instance_level(*levels)
    out = torch.ones(2, *targets.gt_inds.shape)
    for video, point in targets.positives.nonzero().tolist():
        truth = targets.gt_inds[video, point]
        start, end = truths.segments[video, truth]
        distance = (POINTS.centers[point] - (start + end) / 2) / (end - start)
        for kind, name in enumerate(('cls', 'loc')):
            parts = []
            if module.class_level is not None and module.class_level.num_gaussians(name):
                p = module.class_level(distance, truths.labels[video, truth])
                parts.append(p[kind])
            if quality is not None:
                parts.append(quality[video, point, kind])
            out[kind, video, point] = sum(parts) if parts else 1.0
    return out


SWITCHES = [
    {'class_level': CLASS, 'instance_level': INSTANCE},
    {'class_level': CLASS},
    {'instance_level': INSTANCE},
    {'class_level': {**CLASS, 'loc': 'none'}},
    {'class_level': {**CLASS, 'cls': 'none'}, 'instance_level': INSTANCE},
    {'class_level': {**CLASS, 'shared': True}, 'instance_level': INSTANCE},
    {},
]


@pytest.mark.parametrize('switches', SWITCHES, ids=str)
def test_weights_equal_loop(switches):
    for seed in range(5):
        module = evaluator(seed, **switches)
        levels, targets, truths = problem(seed)
        assert targets.positives.any()
        sensitivity = module(*levels, POINTS, targets)
        expected = by_loop(module, levels, targets, truths)
        assert_close(sensitivity.cls, expected[0])
        assert_close(sensitivity.loc, expected[1])
        assert (sensitivity.cls[~targets.positives] == 1).all()
        assert (sensitivity.loc[~targets.positives] == 1).all()


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), switches=st.sampled_from(SWITCHES), count=st.integers(1, 6))
def test_per_gt_is_mean_one_and_keeps_the_ratios(seed, switches, count):
    module = evaluator(seed, normalize='per_gt', **switches)
    levels, targets, truths = problem(seed, count)
    sensitivity = module(*levels, POINTS, targets)
    expected = by_loop(module, levels, targets, truths)
    for kind, got in enumerate((sensitivity.cls, sensitivity.loc)):
        assert (got[~targets.positives] == 1).all()
        for truth in range(count):
            own = targets.gt_inds[0] == truth
            if not own.any():
                continue
            h = expected[kind, 0, own]
            assert_close(got[0, own], h / h.mean())
            assert got[0, own].mean().item() == pytest.approx(1, abs=1e-5)


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), switches=st.sampled_from(SWITCHES), count=st.integers(1, 6))
def test_batch_is_mean_one_over_all_positives_and_keeps_the_ratios(seed, switches, count):
    module = evaluator(seed, normalize='batch', **switches)
    levels, targets, truths = problem(seed, count)
    # The second video gets ground truth as well: the mean is that of both.
    targets = targets._replace(
        gt_inds=targets.gt_inds[:1].repeat(2, 1),
        segments=targets.segments[:1].repeat(2, 1, 1),
        class_targets=targets.class_targets[:1].repeat(2, 1, 1),
        gt_labels=targets.gt_labels[:1].repeat(2, 1),
    )
    truths = truths._replace(
        segments=truths.segments[:1].repeat(2, 1, 1), labels=truths.labels[:1].repeat(2, 1)
    )
    sensitivity = module(*levels, POINTS, targets)
    expected = by_loop(module, levels, targets, truths)
    for kind, got in enumerate((sensitivity.cls, sensitivity.loc)):
        assert (got[~targets.positives] == 1).all()
        if targets.positives.any():
            h = expected[kind][targets.positives]
            assert_close(got[targets.positives], h / h.mean())


@settings(max_examples=10)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 6))
def test_batch_learns_from_the_frames_within_an_action_alone(seed, count):
    module = evaluator(seed, normalize='batch', class_level=CLASS, instance_level=INSTANCE)
    levels, targets, _ = problem(seed, count)
    cost = torch.rand(2, *targets.gt_inds.shape)

    def learned(cls, loc):
        module.zero_grad()
        (cls * cost[0] + loc * cost[1]).sum().backward()
        return {name: value.grad for name, value in module.named_parameters()}

    got = module(*levels, POINTS, targets)
    found = learned(got.cls, got.loc)
    # The same weights as those of 'per_gt', each times what its action weighs.
    module.normalize = 'per_gt'
    relative = module(*levels, POINTS, targets)
    scaled = []
    for values, weights in ((got.cls, relative.cls), (got.loc, relative.loc)):
        share = torch.ones_like(weights)
        for truth in range(count):
            own = targets.gt_inds == truth
            if own.any():
                share[own] = values[own].mean().item()
        scaled.append(weights * share)
    for name, value in learned(*scaled).items():
        assert_close(found[name], value)


def test_per_gt_holds_however_small_the_weights(single):
    module = evaluator(class_level=CLASS, normalize='per_gt')
    level = module.class_level
    torch.nn.init.constant_(level.mu_cls, 0.7)
    torch.nn.init.constant_(level.sigma_cls, 0.1)
    levels, targets, _truths = problem(count=6)
    targets = targets._replace(gt_inds=targets.gt_inds.where(POINTS.centers < 6, -1))
    plain = level(torch.tensor([-0.4]), torch.tensor([0]))[0]
    assert 0 < plain < 1e-20
    weights = module(*levels, POINTS, targets).cls
    for truth in range(6):
        own = targets.gt_inds[0] == truth
        if own.any():
            assert weights[0, own].mean().item() == pytest.approx(1, abs=1e-5)
    (weights**2).sum().backward()
    assert level.mu_cls.grad.isfinite().all()
    assert level.sigma_cls.grad.isfinite().all()


def grads(module, **kwargs):
    (feats, masks), targets, _ = problem()
    levels = [feat.requires_grad_() for feat in feats], masks
    sensitivity = module(*levels, POINTS, targets)
    (sensitivity.cls**2 + sensitivity.loc**2).sum().backward()
    found = {
        name: p.grad is not None and bool((p.grad != 0).any())
        for name, p in module.named_parameters()
    }
    return found, levels[0][0].grad


def test_q_learns_through_the_weights_only_if_not_detached():
    both = {'class_level': CLASS, 'instance_level': INSTANCE}
    found, feats_grad = grads(evaluator(**both))
    assert feats_grad is None
    assert all(moved == name.startswith('class_level') for name, moved in found.items())
    found, feats_grad = grads(evaluator(detach_instance_weight=False, **both))
    assert (feats_grad != 0).any()
    assert all(found.values())


def of_positives(values, targets):
    positives = targets.positives.float()
    return QualityTargets(values, positives, positives.sum().clamp(min=1))


def test_quality_loss_is_the_mse_over_positives():
    module = evaluator(class_level=CLASS, instance_level=INSTANCE)
    levels, targets, _ = problem()
    sensitivity = module(*levels, POINTS, targets)
    quality = torch.rand(2, 28, 2)
    losses = module.loss(sensitivity, targets, of_positives(quality, targets))
    positives = targets.positives.nonzero().tolist()
    mse = [0.0, 0.0]
    for video, point in positives:
        for kind in range(2):
            difference = sensitivity.quality[video, point, kind] - quality[video, point, kind]
            mse[kind] += difference.item() ** 2 / len(positives)
    assert losses['loss_sensitivity'].item() == pytest.approx(sum(mse))


def test_q_learns_from_its_own_loss_and_p_does_not():
    module = evaluator(class_level=CLASS, instance_level=INSTANCE)
    levels, targets, _ = problem()
    quality = torch.rand(2, 28, 2, requires_grad=True)
    found = module(*levels, POINTS, targets)
    losses = module.loss(found, targets, of_positives(quality, targets))
    losses['loss_sensitivity'].backward()
    assert quality.grad is None
    for name, value in module.named_parameters():
        assert (value.grad is not None) == name.startswith('instance_level')


def test_what_is_logged():
    module = evaluator(class_level=CLASS, instance_level=INSTANCE)
    levels, targets, _ = problem()
    sensitivity = module(*levels, POINTS, targets)
    log = module.loss(sensitivity, targets, of_positives(torch.rand(2, 28, 2), targets))
    assert [key for key in log if 'loss' in key] == ['loss_sensitivity']  # mmengine sums those
    assert not [key for key, value in log.items() if 'loss' not in key and value.requires_grad]
    weights = sensitivity.cls[targets.positives], sensitivity.loc[targets.positives]
    assert log['weight_cls'].item() == pytest.approx(weights[0].mean().item())
    assert log['weight_loc'].item() == pytest.approx(weights[1].mean().item())
    mu = module.class_level.mu_loc
    assert log['mu_loc_mean'].item() == pytest.approx(mu.mean().item())
    assert log['mu_loc_std'].item() == pytest.approx(mu.std(unbiased=False).item())
    assert {'mu_cls_mean', 'sigma_cls_mean', 'sigma_loc_std'} <= set(log)


def test_without_instance_level_there_is_no_quality_loss():
    module = evaluator(class_level=CLASS)
    levels, targets, _ = problem()
    sensitivity = module(*levels, POINTS, targets)
    assert sensitivity.quality is None
    losses = module.loss(sensitivity, targets, of_positives(torch.rand(2, 28, 2), targets))
    assert 'loss_sensitivity' not in losses


@pytest.mark.parametrize('normalize', ['none', 'per_gt', 'batch'])
def test_no_positive(normalize):
    module = evaluator(class_level=CLASS, instance_level=INSTANCE, normalize=normalize)
    levels, targets, _ = problem()
    targets = targets._replace(gt_inds=torch.full_like(targets.gt_inds, -1))
    sensitivity = module(*levels, POINTS, targets)
    assert (sensitivity.cls == 1).all()
    assert (sensitivity.loc == 1).all()
    losses = module.loss(sensitivity, targets, of_positives(torch.rand(2, 28, 2), targets))
    assert losses['loss_sensitivity'].item() == 0
    (losses['loss_sensitivity'] + sensitivity.cls.sum() + sensitivity.loc.sum()).backward()
    for value in module.parameters():
        assert value.grad is None or (value.grad == 0).all()


def test_unknown_quality_points_raise():
    with pytest.raises(ValueError, match=r"'positive' or 'scored' but got 'all'"):
        evaluator(instance_level=INSTANCE, quality_points='all')


def test_unknown_normalize_raises():
    with pytest.raises(ValueError, match=r"normalize to be one of .*'batch'.* but got 'mean'"):
        evaluator(normalize='mean')
