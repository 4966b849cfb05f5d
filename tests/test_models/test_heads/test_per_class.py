"""A point of several actions: each class has its own ground truth, weight and segment."""

import math

import pytest
import torch

from asl_mmaction.structures.point_targets import GroundTruths

STEPS = (16, 8, 4)
RADII = [1.5, None]
NORMALIZATIONS = ['none', 'per_gt', 'batch']
STYLES = ['actionformer', 'tridet']
#: One after the other, and so many at a time that a class has two of them.
SINGLE = [[(0.2, 5.1), (5.3, 11.2), (11.4, 15.6)], [(0.2, 3.3), (5.0, 11.8), (0.0, 1.0)]]
DENSE = [[(0.2, 9.1), (1.3, 14.2), (3.4, 8.6)], [(0.2, 9.3), (1.0, 11.8), (0.0, 1.0)]]


@pytest.fixture(autouse=True)
def _double(double):
    """All in float64."""


def problem(segments, seed=0):
    torch.manual_seed(seed)
    masks = [torch.arange(n) < torch.tensor([[n], [n * 3 // 4]]) for n in STEPS]
    feats = [torch.randn(*m.shape, 8) * m[..., None] for m in masks]
    truths = GroundTruths(
        torch.tensor(segments),
        torch.tensor([[0, 2, 0], [1, 2, 0]]),
        torch.tensor([[True, True, True], [True, True, False]]),
    )
    return feats, masks, truths


@pytest.fixture
def heads(build, localizer_config):
    """Function: the head without and with ``per_class``, of the same weights."""

    def make(style, asl, radius=1.5, normalize='per_gt', **settings):
        assigner = {'match': 'all', 'center_sampling_radius': radius}
        made = []
        for per_class in (False, True):
            head = {'assigner': assigner, 'per_class': per_class, **settings}
            config = localizer_config(asl, style=style, head=head)['head']
            if asl:
                config['sensitivity']['normalize'] = normalize
            made.append(build(config))
        shared, own = made
        state = shared.state_dict()
        for name in ('weight', 'bias'):  # a copy for each class
            value = state[f'loc_out.{name}']
            if style == 'actionformer':  # classes come first
                state[f'loc_out.{name}'] = value.repeat(3, *(1,) * (value.dim() - 1))
            else:
                state[f'loc_out.{name}'] = value.repeat_interleave(3, 0)
        own.load_state_dict(state)
        return shared, own

    return make


@pytest.mark.parametrize('normalize', NORMALIZATIONS)
@pytest.mark.parametrize('radius', RADII)
@pytest.mark.parametrize('asl', [False, True])
@pytest.mark.parametrize('style', STYLES)
def test_one_action_a_point_is_what_it_was(heads, style, asl, radius, normalize):
    """All losses, what is logged, and the gradients."""
    shared, own = heads(style, asl, radius, normalize, iou_power=0.5)
    inputs = problem(SINGLE)
    points = shared(*inputs[:2])[1]
    assert own.assigner(points, inputs[2]).positives.sum(-1).max() == 1
    expected, losses = shared.loss(*inputs), own.loss(*inputs)
    torch.testing.assert_close(losses, expected)
    for found in (expected, losses):
        sum(value for key, value in found.items() if 'loss' in key).backward()
    theirs = {name: value.grad for name, value in shared.named_parameters()}
    for name, value in own.named_parameters():
        grad = value.grad
        if name.startswith('loc_out'):  # a copy for each class
            grad = grad.unflatten(0, (3, -1) if style == 'actionformer' else (-1, 3))
            grad = grad.sum(0 if style == 'actionformer' else 1)
        torch.testing.assert_close(grad, theirs[name])


@pytest.mark.parametrize('style', STYLES)
def test_the_same_weights_give_the_same_detections(heads, style):
    shared, own = heads(style, True)
    feats, masks, _ = problem(DENSE)
    expected, found = shared.predict(feats, masks), own.predict(feats, masks)
    torch.testing.assert_close(found.scores, expected.scores)
    segments = expected.segments
    segments = segments[:, :, None].expand_as(found.segments) if segments.dim() == 3 else segments
    torch.testing.assert_close(found.segments, segments)


@pytest.mark.parametrize('style', STYLES)
def test_one_class_is_what_it_was(build, localizer_config, style):
    """With a class alone its own segment is the shared one, to the bit."""
    assigner = {'match': 'all', 'center_sampling_radius': None}
    feats, masks, truths = problem(DENSE)
    truths = truths._replace(labels=truths.labels * 0)
    found = []
    for per_class in (False, True):
        head = {'num_classes': 1, 'assigner': assigner, 'per_class': per_class}
        head = build(localizer_config(True, style=style, head=head)['head'])
        losses = head.loss(feats, masks, truths)
        sum(value for key, value in losses.items() if 'loss' in key).backward()
        grads = {name: value.grad for name, value in head.named_parameters()}
        found.append((losses, grads, head.predict(feats, masks).segments.flatten(2)))
    torch.testing.assert_close(found[1], found[0])


def test_each_class_has_its_own_bins(build, localizer_config):
    """Decoded as by a head that shares the bins of one class."""
    heads = [
        build(localizer_config(style='tridet', head=head)['head'])
        for head in ({}, {'assigner': {'match': 'all'}, 'per_class': True})
    ]
    shared, own = heads
    torch.nn.init.normal_(own.loc_out.weight)
    outputs, points, mask = own(*problem(DENSE)[:2])
    assert outputs.bins.shape == (*mask.shape, 2, 9, 3)
    every = own.decode(points, outputs)
    labels = torch.randint(3, mask.shape)
    chosen = own.decode(points, outputs, labels)
    for label in range(3):
        alone = outputs._replace(bins=outputs.bins[..., label])
        expected = shared.decode(points, alone)[:, :, label]
        torch.testing.assert_close(every[:, :, label], expected)
        torch.testing.assert_close(chosen[labels == label], expected[labels == label])


def test_a_class_of_interest(build, localizer_config):
    head = build(
        localizer_config(head={'assigner': {'match': 'all'}, 'per_class': True})['head'], seed=3
    )
    feats, masks, _ = problem(DENSE)
    outputs, points, mask = head(feats, masks)
    every = head.decode(points, outputs)
    assert every.shape == (*mask.shape, 3, 2)
    assert not torch.equal(every[:, :, 0], every[:, :, 1])
    labels = torch.randint(3, mask.shape)
    chosen = head.decode(points, outputs, labels)
    for video, point in mask.nonzero().tolist():
        label = labels[video, point]
        assert torch.equal(chosen[video, point], every[video, point, label])
        left, right = outputs.offsets[video, point, label] * points.strides[point]
        center = points.centers[point]
        expected = [(center - left).item(), (center + right).item()]
        assert chosen[video, point].tolist() == pytest.approx(expected)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def tiou(a, b):
    inter = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    return inter / (a[1] - a[0] + b[1] - b[0] - inter)


def weights_by_loop(head, feats, masks, points, actions, truths):
    """h of classification and localization by (video, point, class), of ``actions`` by the same."""
    quality = head.sensitivity.instance_level(feats, masks)
    h = {}
    for (video, point, label), truth in actions.items():
        start, end = truths.segments[video, truth]
        distance = (points.centers[point] - (start + end) / 2) / (end - start)
        p = head.sensitivity.class_level(distance, torch.tensor(label))
        h[video, point, label] = [(p[i] + quality[video, point, i]).item() for i in (0, 1)]
    if head.sensitivity.normalize == 'per_gt':
        means = {}
        for key, truth in actions.items():
            means.setdefault((key[0], truth), []).append(h[key])
        for key, truth in actions.items():
            own = means[key[0], truth]
            h[key] = [h[key][i] / (sum(row[i] for row in own) / len(own)) for i in (0, 1)]
    return h, quality


@pytest.mark.parametrize('normalize', ['none', 'per_gt'])
@pytest.mark.parametrize('radius', RADII)
@pytest.mark.parametrize('style', STYLES)
def test_losses_equal_a_loop_over_points_and_classes(heads, style, radius, normalize):
    _, head = heads(style, True, radius, normalize, iou_power=0.5)
    feats, masks, truths = problem(DENSE)
    if style == 'actionformer':
        torch.nn.init.normal_(head.loc_out.weight)
    outputs, points, mask = head(feats, masks)
    segments = head.decode(points, outputs)
    inds = head.assigner(points, truths).gt_inds  # against a loop in the assigner's own tests
    actions = {
        tuple(key): inds[tuple(key)].item()
        for key in (inds >= 0).nonzero().tolist()
        if mask[key[0], key[1]]
    }
    per_point = [sum(k[:2] == key[:2] for k in actions) for key in actions]
    assert max(per_point) == 2
    h, quality = weights_by_loop(head, feats, masks, points, actions, truths)
    total_cls = total_loc = total_quality = 0.0
    for video, point in mask.nonzero().tolist():
        here = [h[key][0] for key in actions if key[:2] == (video, point)]
        for label, logit in enumerate(outputs.cls_logits[video, point].tolist()):
            key = video, point, label
            p_t = sigmoid(logit) if key in actions else 1 - sigmoid(logit)
            alpha = 0.25 if key in actions else 0.75
            focal = -alpha * (1 - p_t) ** 2 * math.log(p_t)
            if key not in actions:
                total_cls += focal * (sum(here) / len(here) if here else 1.0)
                continue
            a = segments[key].tolist()
            b = truths.segments[video, actions[key]].tolist()
            overlap, hull = tiou(a, b), max(a[1], b[1]) - min(a[0], b[0])
            diou = 1 - overlap + (((a[0] + a[1]) - (b[0] + b[1])) / 2 / hull) ** 2
            total_cls += focal * h[key][0] * overlap**0.5
            total_loc += h[key][1] * diou
            q_cls, q_loc = quality[video, point].tolist()
            total_quality += (q_cls - sigmoid(logit)) ** 2 + (q_loc - overlap) ** 2
    losses = head.loss(feats, masks, truths)
    count = len(actions)
    assert losses['loss_cls'].item() == pytest.approx(total_cls / count, rel=1e-9)
    assert losses['loss_loc'].item() == pytest.approx(total_loc / count, rel=1e-9)
    assert losses['loss_sensitivity'].item() == pytest.approx(total_quality / count, rel=1e-9)
    means = [sum(value[i] for value in h.values()) / count for i in (0, 1)]
    assert losses['weight_cls'].item() == pytest.approx(means[0], rel=1e-9)
    assert losses['weight_loc'].item() == pytest.approx(means[1], rel=1e-9)


def test_batch_normalization_is_mean_one_over_all_actions_of_all_points(heads):
    _, head = heads('actionformer', True, normalize='batch')
    losses = head.loss(*problem(DENSE))
    assert losses['weight_cls'].item() == pytest.approx(1)
    assert losses['weight_loc'].item() == pytest.approx(1)


def test_users_mistakes(build, localizer_config):
    with pytest.raises(ValueError, match="match to be 'all' with per_class but got 'shortest'"):
        build(localizer_config(head={'per_class': True})['head'])
