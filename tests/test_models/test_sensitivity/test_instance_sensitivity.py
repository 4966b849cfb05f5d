"""The instance-level evaluators against each level, each point alone."""

import pytest
import torch
import torch.nn.functional as F

from asl_mmaction.models.sensitivity import InstanceSensitivity


@pytest.mark.parametrize('kernel_size', [1, 3, 5, 7])
def test_equals_loop_over_levels_and_points(kernel_size):
    """Whatever the kernel, no level sees anything of another."""
    torch.manual_seed(0)
    level = InstanceSensitivity(in_channels=3, feat_channels=5, kernel_size=kernel_size)
    for conv in level.convs:
        torch.nn.init.normal_(conv.bias)
    steps = (8, 4, 2)
    masks = [torch.arange(n) < torch.tensor([[n], [n - 1]]) for n in steps]
    feats = [torch.randn(2, n, 3) * mask[..., None] for n, mask in zip(steps, masks, strict=True)]
    quality = level(feats, masks)
    assert quality.shape == (2, 14, 2)
    for video in range(2):
        first = 0
        for feat, mask in zip(feats, masks, strict=True):
            valid = feat[video, mask[video]]  # the video without its padding
            around = F.pad(valid, (0, 0, kernel_size // 2, kernel_size // 2))
            for kind, (conv, fc) in enumerate(zip(level.convs, level.fcs, strict=True)):
                for step in range(len(valid)):
                    hidden = conv.bias + sum(
                        conv.weight[:, :, tap] @ around[step + tap] for tap in range(kernel_size)
                    )
                    logit = fc.weight[0] @ hidden.clamp(min=0) + fc.bias[0]
                    expected = 1 / (1 + (-logit).exp())
                    torch.testing.assert_close(quality[video, first + step, kind], expected)
            first += feat.size(1)


def test_the_two_share_nothing():
    level = InstanceSensitivity(in_channels=3, feat_channels=5)
    mask = torch.ones(1, 4, dtype=torch.bool)
    level([torch.randn(1, 4, 3)], [mask])[..., 0].sum().backward()
    assert level.convs[0].weight.grad is not None
    assert level.convs[1].weight.grad is None or (level.convs[1].weight.grad == 0).all()
    assert (level.fcs[1].weight.grad is None) or (level.fcs[1].weight.grad == 0).all()
