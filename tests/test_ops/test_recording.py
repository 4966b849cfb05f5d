import pytest
import torch
from torch.testing import assert_close

from asl_mmaction.ops.recording import is_recorded
from asl_mmaction.ops.temporal_conv import temporal_conv
from asl_mmaction.ops.windowed_attention import attention_bias, temporal_attention


@pytest.mark.parametrize('causal_heads', [0, 2])
@pytest.mark.parametrize('window_size', [None, 37])
def test_what_is_traced_serves_other_lengths_and_batches(double, window_size, causal_heads):
    """The functions with a backward pass of their own fix the length that they are traced with."""
    weight = torch.randn(8, 8, 3)
    recorded = []

    def attend(x, mask):
        recorded.append(is_recorded())
        x = temporal_conv(x, weight) * mask.unsqueeze(-1)
        bias = attention_bias(mask, window_size, causal_heads)
        return temporal_attention(x, x, x, bias, 2, window_size)

    def draw(num_videos, num_steps):
        lengths = torch.randint(1, num_steps + 1, (num_videos, 1))
        mask = torch.arange(num_steps) < lengths
        return torch.randn(num_videos, num_steps, 8), mask

    traced = torch.jit.trace(attend, draw(2, 50), check_trace=False)
    assert recorded == [True]
    for num_videos, num_steps in ((1, 1), (3, 17), (1, 18), (2, 100)):
        x, mask = draw(num_videos, num_steps)
        assert_close(traced(x, mask)[mask], attend(x, mask)[mask])
    assert not recorded[-1]
