"""The trident head against loops over bins, and its losses."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from asl_mmaction.models.heads.trident_head import TridentOutputs
from asl_mmaction.structures.point_targets import GroundTruths

STEPS, NUM_BINS, NUM_CLASSES = (16, 8, 4), 5, 3


@pytest.fixture(scope='module')
def make_head(build, localizer_config):
    """Function: a small head; every response and bin has a say from the start."""

    def make(asl=False, lively=True, **options):
        config = {**localizer_config(asl)['head'], 'type': 'TridentHead', 'num_bins': NUM_BINS}
        head = build({**config, **options}, lively=lively)
        if lively:
            for part in (head.start_out, head.end_out, head.loc_out):
                torch.nn.init.normal_(part.weight, std=0.5)
        return head

    return make


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


def segment_by_loop(outputs, lengths, video, level, step, label):
    """Segment of one class at one point: an expectation over bins that stay on the level."""
    first, stride = sum(lengths[:level]), 2**level
    ends = []
    for side, responses in ((-1, outputs.starts), (1, outputs.ends)):
        bins = outputs.bins[video, first + step, 0 if side < 0 else 1].tolist()
        weights = []
        for away, value in enumerate(bins):
            at = step + side * away
            if 0 <= at < lengths[level]:
                value += responses[video, first + at, label].item()
            weights.append(math.exp(value))
        distance = sum(away * w for away, w in enumerate(weights)) / sum(weights)
        ends.append((step + side * distance) * stride)
    return ends


@settings(max_examples=15)
@given(
    lengths=st.sampled_from([(4,), (8, 4), (12, 6, 3), (4, 2, 1)]),
    num_bins=st.sampled_from([1, 3, 20]),
    seed=st.integers(0, 10**6),
)
def test_decode_equals_loop_over_bins(make_head, lengths, num_bins, seed):
    strides = [2**level for level in range(len(lengths))]
    ranges = [(0, 10000)] * len(lengths)
    head = make_head(num_bins=num_bins, strides=strides, regress_ranges=ranges)
    torch.manual_seed(seed)
    points = head.point_generator(lengths, torch.device('cpu'))
    shape = (2, sum(lengths))
    outputs = TridentOutputs(
        torch.zeros(*shape, NUM_CLASSES),
        torch.randn(*shape, NUM_CLASSES) * 2,
        torch.randn(*shape, NUM_CLASSES) * 2,
        torch.randn(*shape, 2, num_bins + 1) * 2,
    )
    labels = torch.randint(NUM_CLASSES, shape)
    every, chosen = head.decode(points, outputs), head.decode(points, outputs, labels)
    assert every.shape == (*shape, NUM_CLASSES, 2)
    own = labels[..., None, None].expand(-1, -1, 1, 2)
    torch.testing.assert_close(chosen, every.gather(2, own).squeeze(2))
    for video in range(2):
        point = 0
        for level, length in enumerate(lengths):
            for step in range(length):
                for label in range(NUM_CLASSES):
                    expected = segment_by_loop(outputs, lengths, video, level, step, label)
                    found = every[video, point, label]
                    assert found.tolist() == pytest.approx(expected)
                point += 1


def test_a_sharp_boundary_is_found_from_everywhere_within_reach(make_head):
    head = make_head(num_bins=8, strides=[1], regress_ranges=[(0, 10000)])
    points = head.point_generator([12], torch.device('cpu'))
    starts, ends = torch.zeros(1, 12, NUM_CLASSES), torch.zeros(1, 12, NUM_CLASSES)
    starts[0, 2, 1] = ends[0, 9, 1] = 50.0
    outputs = TridentOutputs(torch.zeros_like(starts), starts, ends, torch.zeros(1, 12, 2, 9))
    found = head.decode(points, outputs)[0, :, 1]
    torch.testing.assert_close(found[2:10], torch.tensor([[2.0, 9.0]]).expand(8, 2))
    # Without any evidence all bins are alike, also where some lie outside of the video.
    other = head.decode(points, outputs)[0, :, 0]
    center = torch.arange(12.0)
    torch.testing.assert_close(other, torch.stack([center - 4, center + 4], -1))


def tower_alone(tower, out, video):
    """A tower and its last convolution on one unpadded level. (T, C) -> (T, outputs)"""
    for conv, norm in zip(tower.convs, tower.norms, strict=True):
        video = F.relu(norm(F.conv1d(video.T, conv.weight, padding=1).T))
    return F.conv1d(video.T, out.weight, out.bias, padding=1).T


def test_each_level_alone(make_head):
    head = make_head()
    feats, masks, _ = problem()
    outputs, _, mask = head(feats, masks)
    assert torch.equal(mask, torch.cat(masks, 1))
    for video in range(2):
        first = 0
        for feat, level_mask in zip(feats, masks, strict=True):
            valid = feat[video, level_mask[video]]
            own = slice(first, first + len(valid))
            parts = {'cls': 'cls_logits', 'start': 'starts', 'end': 'ends', 'loc': 'bins'}
            for name, field in parts.items():
                tower, out = getattr(head, f'{name}_tower'), getattr(head, f'{name}_out')
                expected = tower_alone(tower, out, valid)
                found = getattr(outputs, field)[video, own].flatten(1)
                torch.testing.assert_close(found, expected)
            first += feat.size(1)
    assert (outputs.starts[~mask] == 0).all()
    assert (outputs.ends[~mask] == 0).all()


def focal(logit, hit):
    p_t = 1 / (1 + math.exp(-logit if hit else logit))
    return -(0.25 if hit else 0.75) * (1 - p_t) ** 2 * math.log(p_t)


@pytest.mark.parametrize('iou_power', [0.0, 0.25, 2.0])
def test_losses_equal_loop(make_head, iou_power):
    head = make_head(iou_power=iou_power)
    feats, masks, truths = problem()
    losses = head.loss(feats, masks, truths)
    outputs, points, mask = head(feats, masks)
    targets = head.assigner(points, truths)
    total_cls = total_loc = count = 0
    for video in range(2):
        for level, length in enumerate(STEPS):
            for step in range(length):
                point = sum(STEPS[:level]) + step
                if not mask[video, point]:
                    continue
                truth, tiou = targets.gt_inds[video, point].item(), 1.0
                if truth >= 0:
                    count += 1
                    label = truths.labels[video, truth].item()
                    start, end = segment_by_loop(outputs, STEPS, video, level, step, label)
                    low, high = truths.segments[video, truth].tolist()
                    hull = max(end, high) - min(start, low)
                    tiou = max(0.0, min(end, high) - max(start, low)) / hull  # they share the point
                    total_loc += 1 - tiou + ((start + end - low - high) / 2 / hull) ** 2
                for label, logit in enumerate(outputs.cls_logits[video, point].tolist()):
                    hit = bool(targets.class_targets[video, point, label])
                    total_cls += focal(logit, hit) * (tiou**iou_power if hit else 1)
    assert count > 3
    assert losses['loss_cls'].item() == pytest.approx(total_cls / count, rel=1e-9)
    assert losses['loss_loc'].item() == pytest.approx(total_loc / count, rel=1e-9)


def test_coupling_sends_no_gradient_into_the_boundaries(make_head):
    head = make_head(iou_power=0.5)
    head.loss(*problem())['loss_cls'].backward()
    moved = {
        name.split('_')[0] for name, value in head.named_parameters() if value.grad is not None
    }
    assert moved == {'cls'}


@pytest.mark.parametrize('asl', [False, True])
def test_no_ground_truth(make_head, asl):
    head = make_head(asl, iou_power=0.25)
    losses = head.loss(*problem(with_truths=False))
    for key in losses.keys() - {'loss_cls'}:
        if 'loss' in key:
            assert losses[key].item() == 0
    assert losses['loss_cls'] > 0
    sum(value for key, value in losses.items() if 'loss' in key).backward()
    for name, value in head.named_parameters():
        assert value.grad is not None, name
        assert value.grad.isfinite().all()


def test_boundary_towers_leave_the_pyramid_alone(make_head):
    head = make_head()
    feats, masks, truths = problem()
    feats = [feat.requires_grad_() for feat in feats]
    outputs, _, _ = head(feats, masks)
    (outputs.starts.sum() + outputs.ends.sum()).backward(retain_graph=True)
    assert [feat.grad for feat in feats] == [None] * 3
    outputs.bins.sum().backward()
    assert all(feat.grad.abs().max() > 0 for feat in feats)
    head.zero_grad()
    losses = head.loss(feats, masks, truths)
    (losses['loss_cls'] + losses['loss_loc']).backward()
    for name, value in head.named_parameters():
        assert value.grad.abs().max() > 0, name


def test_scores_start_at_the_prior(make_head):
    head = make_head(lively=False, prior_prob=0.2)
    torch.nn.init.zeros_(head.cls_out.weight)
    segments, scores, mask, _ = head.predict(*problem()[:2])
    torch.testing.assert_close(scores[mask], torch.full_like(scores[mask], 0.2))
    assert segments.shape == (*scores.shape, 2)


def test_segments_keep_their_precision_under_autocast(make_head):
    head = make_head()
    points = head.point_generator(STEPS, torch.device('cpu'))
    shape = (1, sum(STEPS))
    torch.manual_seed(0)
    outputs = TridentOutputs(
        torch.zeros(*shape, NUM_CLASSES),
        torch.randn(*shape, NUM_CLASSES).bfloat16(),
        torch.randn(*shape, NUM_CLASSES).bfloat16(),
        torch.randn(*shape, 2, NUM_BINS + 1).bfloat16(),
    )
    expected = head.decode(points, TridentOutputs(*(value.float() for value in outputs)))
    with torch.autocast('cpu', torch.bfloat16):
        found = head.decode(points, outputs)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)  # the same operations on the same numbers


def test_users_mistakes(make_head):
    with pytest.raises(ValueError, match='expected num_bins >= 1 but got 0'):
        make_head(num_bins=0)
    with pytest.raises(ValueError, match='expected iou_power >= 0 but got -1'):
        make_head(iou_power=-1)
