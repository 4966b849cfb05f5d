"""What the benchmarks share: models and clips, the plain reference, timing in turns."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest import mock

import asl_mmaction  # isort: skip  # noqa: F401  first: it checks and repairs the stack
import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from torch import nn

from asl_mmaction.structures.feature_grid import FeatureGrid

# Convolutions in float32 on a GPU too, as its matrix products are.
torch.backends.cudnn.allow_tf32 = False

CONFIGS = Path(__file__).parents[1] / 'configs'


def load_config(name: str, width: int | None = None) -> Config:
    """A config of this project, its model at another width."""
    config = Config.fromfile(CONFIGS / name)
    if width is not None:
        config.model.projection.out_channels = width
    return config


def build_model(config: Config, device: str = 'cpu') -> nn.Module:
    """The model with seeded weights and layer scales that let every branch count."""
    init_default_scope('mmaction')
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    for name, value in model.named_parameters():
        if name.endswith('_path.scale'):
            nn.init.constant_(value, 0.1)
    return model.to(device)


def random_clips(
    lengths: list[int], channels: int, num_classes: int, actions: int = 18, seed: int = 0
) -> list[dict]:
    """Samples as the pipelines pack them, with random features and random actions."""
    generator = torch.Generator().manual_seed(seed)
    clips = []
    for number, length in enumerate(lengths):
        start = torch.rand(actions, generator=generator) * (length - 20)
        span = 4 + 36 * torch.rand(actions, generator=generator)
        segments = torch.stack([start, (start + span).clamp(max=length - 1)], dim=1)
        sample = ActionDataSample(
            metainfo={
                'video_name': f'clip {number}',
                'duration': float(length),
                'num_steps': length,
                'grid': FeatureGrid(1.0, 1.0, 1.0),
            }
        )
        labels = torch.randint(num_classes, (actions,), generator=generator)
        sample.gt_instances = InstanceData(segments=segments, labels=labels)
        feature = torch.randn(length, channels, generator=generator)
        clips.append({'inputs': feature, 'data_samples': sample})
    return clips


def collate(clips: list[dict]) -> dict:
    """One batch."""
    return {key: [clip[key] for clip in clips] for key in ('inputs', 'data_samples')}


@contextmanager
def plain_layers(attention: bool = True) -> Iterator[None]:
    """Run the layers in their plain form: torch's ``conv1d`` and attention under a (T, T) mask.

    Args:
        attention: Of the attention too; False: of the convolutions alone.
    """

    def conv(x, weight, bias=None, stride=1, groups=1):
        padding = weight.size(2) // 2
        return F.conv1d(x.mT, weight, bias, stride, padding, groups=groups).mT

    def convs(x, weight, stride=1):
        return conv(x, weight, None, stride, x.size(2)).unflatten(-1, (x.size(2), -1)).unbind(-1)

    def bias(mask, window_size, causal_heads):
        steps = torch.arange(mask.size(1), device=mask.device)
        lags = steps[:, None] - steps
        seen = mask[:, None, None].expand(-1, -1, len(steps), -1)
        if window_size is not None:
            seen = seen & (lags.abs() <= window_size // 2)
        if causal_heads:
            sides = torch.stack([lags >= 0, lags <= 0])
            seen = seen & sides.repeat_interleave(causal_heads // 2, dim=0)
        return torch.where(seen, 0.0, -3e4)  # (N, 1, T, T); causal: (N, heads, T, T)

    def attend(query, key, value, bias, num_heads, window_size=None, dropout=0.0):
        query, key, value = (
            x.unflatten(-1, (num_heads, -1)).transpose(1, 2) for x in (query, key, value)
        )
        scores = query * query.size(-1) ** -0.5 @ key.mT + bias
        return (F.dropout(scores.softmax(-1), dropout) @ value).transpose(1, 2).flatten(2)

    layers = 'asl_mmaction.models.layers'
    patches = {
        f'{layers}.masked_conv.temporal_conv': conv,
        f'{layers}.attention.depthwise_convs': convs,
    }
    if attention:
        patches[f'{layers}.attention.temporal_attention'] = attend
        patches['asl_mmaction.models.necks.transformer_pyramid.attention_bias'] = bias
    with ExitStack() as stack:
        for name, function in patches.items():
            stack.enter_context(mock.patch(name, function))
        yield


def in_turns(
    functions: dict[str, Callable[[], object]], repeats: int, device: str = 'cpu'
) -> dict[str, float]:
    """Median milliseconds of each function; one after the other, again and again."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for repeat in range(repeats + 1):
        for name, function in functions.items():
            synchronize(device)
            start = time.perf_counter()
            function()
            synchronize(device)
            if repeat:  # the first time warms up
                times[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def synchronize(device: str) -> None:
    """Wait for a GPU."""
    if device != 'cpu':
        torch.cuda.synchronize()


def matmul_rate(device: str = 'cpu', size: int = 2048, dtype: torch.dtype = torch.float32) -> float:
    """GFLOP/s of the machine's own matrix product."""
    a, b = torch.randn(2, size, size, device=device, dtype=dtype)
    return 2e-6 * size**3 / in_turns({'': lambda: a @ b}, 9, device)['']


def machine(device: str = 'cpu') -> str:
    """Processor and versions, for the head of a table."""
    name = platform.processor() or platform.machine()
    if Path('/proc/cpuinfo').exists():
        lines = Path('/proc/cpuinfo').read_text().splitlines()
        name = next((line.split(': ')[1] for line in lines if 'model name' in line), name)
    if device != 'cpu':
        name = torch.cuda.get_device_name()
    return f'{name}, {torch.get_num_threads()} threads, torch {torch.__version__}'
