"""Losses of the head against loops over points (eq. 8-10), and their normalizer."""

import math

import pytest
import torch
from mmaction.registry import TASK_UTILS

from asl_mmaction.models.layers import pack_pyramid
from asl_mmaction.models.task_modules import PointAssigner, SimOTAAssigner
from asl_mmaction.structures.point_targets import GroundTruths
from asl_mmaction.structures.points import Points
from tests.references import slow_tiou

STEPS = (16, 8, 4)


def problem(seed=0, with_truths=True):
    torch.manual_seed(seed)
    masks = [torch.arange(n) < torch.tensor([[n], [n * 3 // 4]]) for n in STEPS]
    feats = [torch.randn(*m.shape, 8) * m[..., None] for m in masks]
    truths = GroundTruths(
        torch.tensor([[[1.3, 5.1], [4.2, 14.7], [2.0, 13.0]], [[0.2, 3.3], [5.0, 16.0], [0, 1]]]),
        torch.tensor([[0, 2, 1], [1, 1, 0]]),
        torch.tensor([[True, True, True], [True, True, False]]) & with_truths,
    )
    return feats, masks, truths


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def losses_by_loop(head, feats, masks, truths):
    """(sum of h * focal, sum of h * DIoU, sum of squared errors of q, number of positives)."""
    outputs, points, mask = head(feats, masks)
    targets = head.assigner(points, truths)
    positives = (targets.gt_inds >= 0) & mask
    targets = targets._replace(gt_inds=torch.where(positives, targets.gt_inds, -1))
    weights = torch.ones(2, *mask.shape)
    quality = None
    if head.sensitivity is not None:
        sensitivity = head.sensitivity(feats, masks, points, targets)
        weights = torch.stack([sensitivity.cls, sensitivity.loc])
        quality = sensitivity.quality
    segments = head.decode(points, outputs)
    total_cls = total_loc = total_quality = 0.0
    for video in range(len(mask)):
        for point in range(mask.size(1)):
            if not mask[video, point]:
                continue
            logits = outputs.cls_logits[video, point].tolist()
            for label, logit in enumerate(logits):
                hit = targets.class_targets[video, point, label].item()
                p_t = sigmoid(logit) if hit else 1 - sigmoid(logit)
                alpha = 0.25 if hit else 0.75
                focal = -alpha * (1 - p_t) ** 2 * math.log(p_t)
                total_cls += weights[0, video, point].item() * focal
            if not positives[video, point]:
                continue
            truth = targets.gt_inds[video, point]
            a, b = segments[video, point].tolist(), truths.segments[video, truth].tolist()
            inter = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
            hull = max(a[1], b[1]) - min(a[0], b[0])
            tiou = inter / (a[1] - a[0] + b[1] - b[0] - inter)
            diou = 1 - tiou + (((a[0] + a[1]) - (b[0] + b[1])) / 2 / hull) ** 2
            total_loc += weights[1, video, point].item() * diou
            if quality is not None:
                score = sigmoid(logits[truths.labels[video, truth]])
                q_cls, q_loc = quality[video, point].tolist()
                total_quality += (q_cls - score) ** 2 + (q_loc - tiou) ** 2
    return total_cls, total_loc, total_quality, int(positives.sum())


@pytest.mark.parametrize('normalize', ['none', 'per_gt'])
@pytest.mark.parametrize('asl', [False, True])
@pytest.mark.parametrize('radius', [1.5, None])
def test_losses_equal_loop(build, localizer_config, asl, radius, normalize):
    config = localizer_config(asl, head={'assigner': {'center_sampling_radius': radius}})['head']
    if asl:
        config['sensitivity']['normalize'] = normalize
    head = build(config)
    feats, masks, truths = problem()
    losses = head.loss(feats, masks, truths)
    cls, loc, quality, count = losses_by_loop(head, feats, masks, truths)
    assert count > 3
    assert losses['loss_cls'].item() == pytest.approx(cls / count, rel=1e-9)
    assert losses['loss_loc'].item() == pytest.approx(loc / count, rel=1e-9)
    names = {key for key in losses if 'loss' in key}
    if asl:
        assert losses['loss_sensitivity'].item() == pytest.approx(quality / count, rel=1e-9)
        expected = head.loss_contrast(feats[0], masks[0], truths, head.sensitivity.class_level)
        assert torch.equal(losses['loss_ascl'], expected)
        assert names == {'loss_cls', 'loss_loc', 'loss_sensitivity', 'loss_ascl'}
    else:
        assert names == {'loss_cls', 'loss_loc'}


def test_class_targets_may_be_the_tiou_of_the_segment(build, localizer_config):
    """With binary cross-entropy, whose loss of a soft target is written out here."""
    loss_cls = {'type': 'SigmoidFocalLoss', 'gamma': 0, 'alpha': -1}
    overrides = {'cls_target': 'tiou', 'loss_cls': loss_cls, 'loss_normalizer': 'batch'}
    head = build(localizer_config(head=overrides)['head'])
    feats, masks, truths = problem()
    outputs, points, mask = head(feats, masks)
    targets = head.assigner(points, truths).within(mask)
    segments = head.decode(points, outputs)
    total, fits = 0.0, set()
    for video, point in mask.nonzero().tolist():
        truth = targets.gt_inds[video, point].item()
        fit = 0.0
        if truth >= 0:
            pair = segments[video, point].tolist(), truths.segments[video, truth].tolist()
            fit = slow_tiou(*pair)
            fits.add(fit)
        for label, logit in enumerate(outputs.cls_logits[video, point].tolist()):
            y = fit * targets.class_targets[video, point, label].item()
            total -= y * math.log(sigmoid(logit)) + (1 - y) * math.log(sigmoid(-logit))
    assert len(fits) > 3
    found = head.loss(feats, masks, truths)
    assert found['loss_cls'].item() == pytest.approx(total / targets.positives.sum().item())
    with pytest.raises(ValueError, match="cls_target to be 'class' or 'tiou' but got 'iou'"):
        build(localizer_config(head={'cls_target': 'iou'})['head'])
    assigner = {'match': 'all', 'per_class': True}
    with pytest.raises(ValueError, match=r'per_class in the head alone, .* in head\.assigner'):
        build(localizer_config(head={'assigner': assigner})['head'])


@pytest.mark.parametrize('per_class', [False, True])
def test_quality_may_learn_from_all_points_by_their_score(build, localizer_config, per_class):
    config = localizer_config(True, head={'per_class': per_class})['head']
    config['sensitivity']['quality_points'] = 'scored'
    if per_class:
        config.setdefault('assigner', {})['match'] = 'all'
    head = build(config)
    feats, masks, truths = problem()
    # Segments long enough to overlap with actions, classes apart from one another
    with torch.no_grad():
        head.loc_out.bias += 2
        head.cls_out.bias += torch.arange(head.num_classes)
    outputs, points, mask = head(feats, masks)
    segments = head.decode(points, outputs)
    predicted = head.sensitivity.instance_level(feats, masks)
    total = weights = 0.0
    overlaps = []
    for video, point in mask.nonzero().tolist():
        scores = [sigmoid(logit) for logit in outputs.cls_logits[video, point].tolist()]
        score, label = max((score, label) for label, score in enumerate(scores))
        own = segments[video, point]
        own = (own[label] if per_class else own).tolist()
        best = max(
            [0.0]
            + [
                slow_tiou(own, truths.segments[video, truth].tolist())
                for truth in range(3)
                if truths.masks[video, truth] and truths.labels[video, truth] == label
            ]
        )
        overlaps.append(best)
        q_cls, q_loc = predicted[video, point].tolist()
        total += score * ((q_cls - (score if best else 0)) ** 2 + (q_loc - best) ** 2)
        weights += score
    assert 0 in overlaps
    assert max(overlaps) > 0
    found = head.loss(feats, masks, truths)['loss_sensitivity'].item()
    assert found == pytest.approx(total / max(weights, 1))
    # Without a ground truth there is nothing to find: q learns to be 0.
    alone = head.loss(*problem(with_truths=False))['loss_sensitivity']
    q = (predicted**2).sum(-1) * outputs.cls_logits.sigmoid().amax(-1) * mask
    assert alone.item() == pytest.approx(q.sum().item() / max(weights, 1))


@pytest.mark.parametrize('kernel_size', [1, 3, 5, 7])
def test_levels_see_nothing_of_one_another(build, localizer_config, kernel_size, monkeypatch):
    """Whatever the kernel of the instance level is, each level comes out as if alone."""
    config = localizer_config(True)['head']
    config['sensitivity']['instance_level']['kernel_size'] = kernel_size
    head = build(config)
    predicted, weighed = [], []
    predict = head.predict_points
    monkeypatch.setattr(
        head, 'predict_points', lambda *args: predicted.append(predict(*args)) or predicted[0]
    )
    head.sensitivity.register_forward_hook(lambda module, args, out: weighed.append(out.quality))
    feats, masks, truths = problem()
    head.loss(feats, masks, truths)

    points = head.point_generator(STEPS, 'cpu')
    for level, (feat, mask) in enumerate(zip(feats, masks, strict=True)):
        here = points.levels == level
        alone = pack_pyramid([feat], [mask])
        expected = (
            *predict(alone, Points(*(x[here] for x in points))),
            head.sensitivity.instance_level([feat], [mask]),
        )
        got = (*predicted[0], weighed[0])
        for x, y in zip(got, expected, strict=True):
            # Sums of up to 7 x 8 products of numbers below 10, in another order
            torch.testing.assert_close(x[:, here], y)


def test_contrast_without_sensitivity_is_around_the_centre(build, localizer_config):
    head = build(localizer_config(True, head={'sensitivity': None})['head'])
    feats, masks, truths = problem()
    expected = head.loss_contrast(feats[0], masks[0], truths, None)
    assert torch.equal(head.loss(feats, masks, truths)['loss_ascl'], expected)


def test_contrast_without_class_level_is_around_the_centre(build, localizer_config):
    config = localizer_config(True)['head']
    config['sensitivity']['class_level'] = None
    head = build(config)
    feats, masks, truths = problem()
    expected = head.loss_contrast(feats[0], masks[0], truths, None)
    assert torch.equal(head.loss(feats, masks, truths)['loss_ascl'], expected)


def test_normalizer_is_a_moving_average_of_the_positives(build, localizer_config):
    head = build(localizer_config(head={'loss_normalizer': 50, 'normalizer_momentum': 0.8})['head'])
    average = 50.0
    for seed in range(4):
        feats, masks, truths = problem(seed, with_truths=seed != 2)
        cls, loc, _, count = losses_by_loop(head, feats, masks, truths)
        assert (count == 0) == (seed == 2)
        losses = head.loss(feats, masks, truths)
        average = 0.8 * average + 0.2 * max(count, 1)
        assert head.normalizer.item() == pytest.approx(average)
        assert losses['loss_cls'].item() == pytest.approx(cls / average, rel=1e-9)
        assert losses['loss_loc'].item() == pytest.approx(loc / average, rel=1e-9)
        losses['loss_cls'].backward()  # an in-place update must not break the graph
    assert 'normalizer' in head.state_dict()


def test_the_momentum_of_the_paper_is_the_default(build, localizer_config):
    config = localizer_config()['head']
    del config['loss_normalizer']
    head = build(config)
    assert head.normalizer_momentum == 0.9
    assert head.normalizer.item() == 100


@pytest.mark.parametrize('asl', [False, True])
def test_no_ground_truth(build, localizer_config, asl):
    head = build(localizer_config(asl)['head'])
    feats, masks, truths = problem(with_truths=False)
    losses = head.loss(feats, masks, truths)
    cls, _, _, count = losses_by_loop(head, feats, masks, truths)
    assert count == 0
    assert losses['loss_cls'].item() == pytest.approx(cls, rel=1e-9)
    for key in losses.keys() - {'loss_cls'}:
        if 'loss' in key:
            assert losses[key].item() == 0
            assert losses[key].requires_grad
    sum(value for key, value in losses.items() if 'loss' in key).backward()
    for name, value in head.named_parameters():
        assert value.grad is not None, name  # distributed training waits for each of them
        assert value.grad.isfinite().all()


def test_gradient_reaches_everything_and_only_what_it_should(build, localizer_config):
    head = build(localizer_config(True)['head'])
    feats, masks, truths = problem()
    losses = head.loss(feats, masks, truths)
    (losses['loss_cls'] + losses['loss_loc']).backward()
    for name, value in head.named_parameters():
        moved = value.grad is not None and bool((value.grad != 0).any())
        assert moved == ('instance_level' not in name), name
        if 'sigma' in name and 'cls' in name:
            assert (value.grad > 0).all()  # a wider Gaussian only costs: the paper's weakness


def test_the_assigner_is_a_slot_of_the_registry(build, localizer_config):
    @TASK_UTILS.register_module()
    class NothingPositive(PointAssigner):
        def __call__(self, points, ground_truths):
            targets = super().__call__(points, ground_truths)
            return targets._replace(gt_inds=torch.full_like(targets.gt_inds, -1))

    try:
        for name, kind in (('PointAssigner', PointAssigner), ('NothingPositive', NothingPositive)):
            config = localizer_config(head={'assigner': {'type': name}})['head']
            head = build(config)
            assert type(head.assigner) is kind
            assert (head.loss(*problem())['loss_loc'] > 0) == (name == 'PointAssigner')
    finally:
        TASK_UTILS.module_dict.pop('NothingPositive')


def test_users_mistakes(build, localizer_config):
    for name, value, message in (
        ('loss_normalizer', 'mean', "a number > 0 or 'batch' but got 'mean'"),
        ('loss_normalizer', -1, 'but got -1'),
        ('loss_normalizer', None, 'but got None'),
        ('normalizer_momentum', 7, r'in \[0, 1\] but got 7'),
        ('iou_power', float('nan'), '>= 0 but got nan'),
    ):
        with pytest.raises(ValueError, match=f'expected {name} .*{message}'):
            build(localizer_config(head={name: value})['head'])
    head = build(localizer_config()['head'])
    feats, masks, truths = problem()
    with pytest.raises(ValueError, match='head: expected a pyramid of 3 levels'):
        head.loss(feats[:2], masks[:2], truths)


@pytest.mark.parametrize('per_class', [False, True])
@pytest.mark.parametrize('asl', [False, True])
@pytest.mark.parametrize('style', ['actionformer', 'tridet'])
def test_an_assigner_may_ask_for_what_the_head_predicts(
    build, localizer_config, style, asl, per_class, monkeypatch
):
    assigner = {'type': 'SimOTAAssigner', 'match': 'all' if per_class else 'cheapest'}
    settings = {'assigner': assigner, 'per_class': per_class}
    head = build(localizer_config(asl, style=style, head=settings)['head'])
    feats, masks, truths = problem()
    asked, assign = [], SimOTAAssigner.__call__
    monkeypatch.setattr(
        SimOTAAssigner, '__call__', lambda *args: asked.append(args) or assign(*args)
    )
    losses = head.loss(feats, masks, truths)
    ((_, points, given, found, class_level),) = asked
    assert given is truths
    assert class_level is (head.sensitivity.class_level if asl else None)
    expected = head.predict(feats, masks)
    assert found.quality is expected.quality is None
    for ours, theirs in zip(found[:3], expected[:3], strict=True):
        assert torch.equal(ours, theirs)
        assert not ours.requires_grad
    # The losses are those of the targets that it gives.
    targets = assign(*asked[0]).within(expected.masks)
    assert targets.positives.any()
    outputs = head(feats, masks)[0]
    again = head.loss_by_feat(outputs, points, expected.masks, targets, feats, masks, truths)
    for key, value in again.items():
        assert torch.equal(losses[key], value), key
    sum(value for key, value in losses.items() if 'loss' in key).backward()
    for name, value in head.named_parameters():
        assert value.grad.isfinite().all(), name
