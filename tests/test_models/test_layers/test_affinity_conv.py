"""Affinity and its convolution against slow loops over steps and taps."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from asl_mmaction.models.layers import (
    AffinityConv1d,
    LocalAffinity,
    MaskedConv1d,
    local_affinity,
    neighbor_mask,
)


def padded_batch(videos, total):
    """Videos (T_n, C) -> (N, total, C) zero on padding, (N, total) mask."""
    x = torch.zeros(len(videos), total, videos[0].size(1))
    mask = torch.zeros(len(videos), total, dtype=torch.bool)
    for row, row_mask, video in zip(x, mask, videos, strict=True):
        row[: len(video)] = video
        row_mask[: len(video)] = True
    return x, mask


def affinity_by_loop(embeddings, num_taps=3):
    """(T, E) -> (T, k)."""
    total = len(embeddings)
    out = torch.zeros(total, num_taps)
    for t in range(total):
        for i in range(num_taps):
            other = t + i - num_taps // 2
            if 0 <= other < total:
                out[t, i] = F.cosine_similarity(embeddings[t], embeddings[other], dim=0)
    return out


def conv_by_loop(x, weight, taps):
    """(T, C), (out, C, k), (T, k) -> (T, out): the sum of the page that defines it."""
    out = torch.zeros(len(x), len(weight))
    for t in range(len(x)):
        for i in range(weight.size(2)):
            other = t + i - weight.size(2) // 2
            if 0 <= other < len(x):
                out[t] += taps[t, i] * (weight[:, :, i] @ x[other])
    return out


@settings(max_examples=30)
@given(
    lengths=st.lists(st.integers(1, 7), min_size=1, max_size=3),
    padding=st.integers(0, 4),
    num_taps=st.sampled_from([1, 3, 5]),
    seed=st.integers(0, 10**6),
)
def test_affinity_and_convolution_of_each_video_by_loops(lengths, padding, num_taps, seed):
    torch.manual_seed(seed)
    embeddings = [F.normalize(torch.randn(length, 4), dim=-1) for length in lengths]
    videos = [torch.randn(length, 3) for length in lengths]
    total = max(lengths) + padding
    e, mask = padded_batch(embeddings, total)
    x, _ = padded_batch(videos, total)
    conv = AffinityConv1d(3, 6, num_taps)
    affinity = local_affinity(e, mask, num_taps)
    out = conv(x, affinity)
    for n, length in enumerate(lengths):
        expected = affinity_by_loop(embeddings[n], num_taps)
        torch.testing.assert_close(affinity[n, :length], expected)
        expected = conv_by_loop(videos[n], conv.weight, expected)
        torch.testing.assert_close(out[n, :length], expected)
    assert not affinity[~mask].any()
    assert not out[~mask].any()


def test_the_step_itself_counts_fully():
    e, mask = padded_batch([F.normalize(torch.randn(5, 4), dim=-1)], 6)
    affinity = local_affinity(e, mask)
    assert affinity[0, :, 1].tolist() == [1, 1, 1, 1, 1, 0]
    assert affinity.abs().max() <= 1 + 1e-12
    assert affinity[0, 0, 0] == affinity[0, 4, 2] == 0


def test_softmax_rows_sum_to_one_over_the_taps_in_the_video():
    embeddings = F.normalize(torch.randn(4, 5), dim=-1)
    e, mask = padded_batch([embeddings, embeddings[:1]], 6)
    e.requires_grad_()
    with torch.autograd.set_detect_anomaly(True):  # no nan on the way back, on padding either
        affinity = local_affinity(e, mask, normalize='softmax')
        affinity.square().sum().backward()
    sums = affinity.sum(-1)
    torch.testing.assert_close(sums, mask.double())
    plain = affinity_by_loop(embeddings)
    torch.testing.assert_close(affinity[0, 0, 1:], plain[0, 1:].softmax(0))
    torch.testing.assert_close(affinity[0, 2], plain[2].softmax(0))
    assert affinity[1, 0].tolist() == [0, 1, 0]
    assert e.grad.isfinite().all()
    assert e.grad[0, 1].any()


def test_taps_of_one_make_a_plain_convolution():
    torch.manual_seed(0)
    conv, plain = AffinityConv1d(4, 6), MaskedConv1d(4, 6, bias=False)
    plain.weight = conv.weight
    x, mask = padded_batch([torch.randn(7, 4), torch.randn(3, 4)], 9)
    taps = neighbor_mask(mask, 3).double()
    torch.testing.assert_close(conv(x, taps), plain(x, mask))


def test_is_not_the_layout_of_the_public_code():
    """There, what nn.Unfold lays out by channels is weighed as if it were laid out by taps."""
    torch.manual_seed(0)
    conv = AffinityConv1d(4, 6)
    x, mask = padded_batch([torch.randn(7, 4)], 7)
    affinity = local_affinity(F.normalize(torch.randn(1, 7, 5), dim=-1), mask)
    columns = F.unfold(x.transpose(1, 2)[..., None], (3, 1), padding=(1, 0))  # (1, 4 * 3, 7)
    weights = affinity.transpose(1, 2)
    by_taps, by_channels = weights.repeat_interleave(4, 1), weights.repeat(1, 4, 1)
    flat = conv.weight.flatten(1)
    right = (flat @ (columns * by_channels)).transpose(1, 2)
    wrong = (flat @ (columns * by_taps)).transpose(1, 2)
    torch.testing.assert_close(conv(x, affinity), right)
    assert (conv(x, affinity) - wrong).abs().max() > 0.01


@pytest.mark.parametrize('num_steps', [1, 2, 5])
@pytest.mark.parametrize('weightings', [(), (1,), (2,)])
def test_gradients_of_one_and_of_several_weightings(num_steps, weightings):
    torch.manual_seed(0)
    conv = AffinityConv1d(3, 2)
    x = torch.randn(2, num_steps, 3, requires_grad=True)
    taps = torch.randn(*weightings, 2, num_steps, 3, requires_grad=True)
    inside = neighbor_mask(torch.ones(2, num_steps, dtype=torch.bool), 3)

    def convolve(x, taps, _):
        return conv(x, taps * inside)

    assert torch.autograd.gradcheck(convolve, (x, taps, conv.weight))
    # The gradient of one alone is that among the three.
    wanted = torch.autograd.grad(convolve(x, taps, None).sum(), (x, taps, conv.weight))
    conv.weight.requires_grad_(False)
    for number, values in enumerate((x, taps)):
        given = [x.detach(), taps.detach(), None]
        given[number] = values
        (alone,) = torch.autograd.grad(convolve(*given).sum(), values)
        torch.testing.assert_close(alone, wanted[number])


def test_several_weightings_are_as_many_convolutions():
    torch.manual_seed(0)
    conv = AffinityConv1d(3, 2, 5)
    x, taps = torch.randn(2, 6, 3), torch.randn(3, 2, 6, 5)
    for each, weighting in zip(conv(x, taps), taps, strict=True):
        torch.testing.assert_close(each, conv(x, weighting))


def test_keeps_nothing_for_the_backward_pass_but_what_it_gets():
    conv, kept = AffinityConv1d(64, 32), []
    x, taps = torch.randn(2, 50, 64, requires_grad=True), torch.rand(2, 50, 3, requires_grad=True)
    hooks = torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x) or x, lambda x: x)
    with hooks:
        conv(x, taps)
    assert sum(each.numel() for each in kept) == sum(
        each.numel() for each in (x, taps, conv.weight)
    )


def test_half_precision_under_autocast():
    torch.manual_seed(0)
    conv = AffinityConv1d(16, 8)
    x, taps = torch.randn(2, 9, 16), torch.rand(2, 9, 3, requires_grad=True)
    with torch.autocast('cpu', torch.bfloat16):
        half = conv(x, taps)
    assert half.dtype == torch.bfloat16
    found = torch.autograd.grad(half.float().sum(), (taps, conv.weight))
    wanted = torch.autograd.grad(conv(x, taps).sum(), (taps, conv.weight))
    # Factors, products and sums are rounded, fewer than eight times each; relative to the sum of
    # the absolute values of what is summed.
    conv.weight.data.abs_()
    scales = torch.autograd.grad(conv(x.abs(), taps).sum(), (taps, conv.weight))
    eps = torch.finfo(torch.bfloat16).eps
    for half, exact, scale in zip(found, wanted, scales, strict=True):
        assert half.dtype == exact.dtype
        assert ((half - exact).abs() <= 4 * eps * scale).all()


def test_embeddings_have_length_one_and_padding_changes_nothing():
    torch.manual_seed(0)
    module = LocalAffinity(4, hidden_channels=8, channels=5)
    videos = [torch.randn(6, 4), torch.randn(3, 4)]
    embeddings, affinity = module(*padded_batch(videos, 8))
    for n, video in enumerate(videos):
        alone, its_affinity = module(*padded_batch([video], len(video)))
        torch.testing.assert_close(embeddings[n, : len(video)], alone[0])
        torch.testing.assert_close(affinity[n, : len(video)], its_affinity[0])
        torch.testing.assert_close(alone.norm(dim=-1), torch.ones(1, len(video)))
        assert not embeddings[n, len(video) :].any()


def test_the_module_normalizes_as_it_is_told():
    module = LocalAffinity(4, hidden_channels=8, channels=5, num_taps=5, normalize='softmax')
    x, mask = padded_batch([torch.randn(6, 4)], 7)
    embeddings, affinity = module(x, mask)
    torch.testing.assert_close(affinity, local_affinity(embeddings, mask, 5, 'softmax'))
    torch.testing.assert_close(affinity.sum(-1), mask.double())


def test_settings_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"expected normalize to be one of .* but got 'sum'"):
        LocalAffinity(4, normalize='sum')
    with pytest.raises(ValueError, match='expected kernel_size to be odd but got 2'):
        AffinityConv1d(4, 4, 2)
