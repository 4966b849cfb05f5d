"""The point head against each level alone."""

import copy

import pytest
import torch
import torch.nn.functional as F

STEPS = (8, 4, 2)


@pytest.fixture
def head(build, localizer_config):
    head = build(localizer_config(head={'feat_channels': 6, 'num_convs': 2})['head'])
    torch.nn.init.uniform_(head.scales, 0.5, 2)
    return head


def pyramid():
    masks = [torch.arange(n) < torch.tensor([[n], [n - 1]]) for n in STEPS]
    feats = [torch.randn(*m.shape, 8) * m[..., None] for m in masks]
    return feats, masks


def tower_alone(tower, out, video):
    """A tower and its last convolution on one unpadded level. (T, C) -> (T, outputs)"""
    for conv, norm in zip(tower.convs, tower.norms, strict=True):
        video = F.relu(norm(F.conv1d(video.T, conv.weight, padding=1).T))
    return F.conv1d(video.T, out.weight, out.bias, padding=1).T


def test_each_level_alone(head):
    feats, masks = pyramid()
    outputs, points, mask = head(feats, masks)
    assert outputs.cls_logits.shape == (2, 14, 3)
    assert torch.equal(mask, torch.cat(masks, 1))
    assert points.levels.tolist() == [0] * 8 + [1] * 4 + [2] * 2
    for video in range(2):
        first = 0
        for level, (feat, level_mask) in enumerate(zip(feats, masks, strict=True)):
            valid = feat[video, level_mask[video]]
            own = slice(first, first + len(valid))
            logits = tower_alone(head.cls_tower, head.cls_out, valid)
            offsets = F.relu(tower_alone(head.loc_tower, head.loc_out, valid) * head.scales[level])
            torch.testing.assert_close(outputs.cls_logits[video, own], logits)
            torch.testing.assert_close(outputs.offsets[video, own], offsets)
            first += feat.size(1)


def test_segments_by_hand(head):
    feats, masks = pyramid()
    segments, scores, *_ = head.predict(feats, masks)
    outputs, points, _ = head(feats, masks)
    torch.testing.assert_close(scores, 1 / (1 + (-outputs.cls_logits).exp()))
    for video in range(2):
        for point in range(14):
            center, stride = points.centers[point], points.strides[point]
            left, right = outputs.offsets[video, point]
            expected = [(center - left * stride).item(), (center + right * stride).item()]
            assert segments[video, point].tolist() == pytest.approx(expected)


@pytest.mark.parametrize('prior', [0.01, 0.2])
def test_scores_start_at_the_prior(build, localizer_config, prior):
    head = build({**localizer_config()['head'], 'prior_prob': prior}, lively=False)
    torch.nn.init.zeros_(head.cls_out.weight)
    _, scores, mask, _ = head.predict(*pyramid())
    torch.testing.assert_close(scores[mask], torch.full_like(scores[mask], prior))


def test_half_stride_offset_moves_the_points(build, localizer_config):
    config = localizer_config()['head']
    plain, shifted = build(config), build({**config, 'half_stride_offset': True})
    feats, masks = pyramid()
    segments = plain.predict(feats, masks).segments
    moved = shifted.predict(feats, masks).segments
    half = plain(feats, masks)[1].strides[:, None] / 2
    torch.testing.assert_close(moved, segments + half)


def test_configs_are_not_changed(build, localizer_config):
    config = localizer_config(asl=True)['head']
    before = copy.deepcopy(config)
    build(config)
    assert config == before


@pytest.mark.parametrize('seed', range(5))
def test_distances_start_above_zero(build, localizer_config, seed):
    """One that starts below 0 at all points would never be learned, as with seed 3 on HAPT."""
    head = build(localizer_config()['head'], seed=seed, lively=False)
    outputs, _, mask = head(*pyramid())
    offsets = outputs.offsets[mask]
    assert (offsets > 0).float().mean() > 0.9
    assert offsets.mean().item() == pytest.approx(1, abs=0.4)
