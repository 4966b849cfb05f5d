"""Small models and batches, shared by the tests of the models."""

import copy

import numpy as np
import pytest
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

import asl_mmaction  # noqa: F401
from asl_mmaction.structures.feature_grid import FeatureGrid

IN_CHANNELS, WIDTH, NUM_CLASSES, STRIDES = 6, 8, 3, [1, 2, 4]

BASELINE = {
    'type': 'DenseLocalizer',
    'data_preprocessor': {
        'type': 'FeaturePreprocessor',
        'size_divisor': STRIDES[-1],
        'gt_divisor': 2,
    },
    'projection': {
        'type': 'ConvProjection',
        'in_channels': IN_CHANNELS,
        'out_channels': WIDTH,
        'position_len': 24,
    },
    'neck': {
        'type': 'TransformerPyramid',
        'channels': WIDTH,
        'num_heads': 2,
        'num_levels': len(STRIDES),
        'stem_depth': 1,
        'window_size': 5,
        'top_down': True,
    },
    'head': {
        'type': 'PointHead',
        'num_classes': NUM_CLASSES,
        'in_channels': WIDTH,
        'feat_channels': WIDTH,
        'num_convs': 1,
        'strides': STRIDES,
        'regress_ranges': [(0, 4), (4, 8), (8, 10000)],
        'loss_normalizer': 'batch',
    },
    'post_processor': {'type': 'SoftNMSPostProcessor', 'min_duration': 0.0, 'max_per_video': 50},
}
# What the TriDet style changes.
TRIDET = {
    'neck': {
        'type': 'SGPPyramid',
        'channels': WIDTH,
        'num_levels': len(STRIDES),
        'stem_depth': 1,
        'window_size': 3,
        'window_scale': 2,
        'num_groups': 2,
    },
    'head': {**BASELINE['head'], 'type': 'TridentHead', 'num_bins': 8, 'iou_power': 0.25},
}
SENSITIVITY = {
    'type': 'ActionSensitivityEvaluator',
    'class_level': {'type': 'ClassSensitivity'},
    'instance_level': {'type': 'InstanceSensitivity'},
}
CONTRAST = {'type': 'ActionSensitiveContrastiveLoss'}


@pytest.fixture(scope='module', autouse=True)
def _double(all_double):
    """Models are tested in float64; tests of other precisions name them."""


@pytest.fixture(scope='session')
def localizer_config():
    """Function: config of a tiny localizer; ``asl=True`` fills theta, sensitivity, contrast.

    ``style``: 'actionformer', or 'tridet' (whose neck has no theta).
    """

    def make(asl=False, *, style='actionformer', neck=(), head=(), **parts):
        config = copy.deepcopy(BASELINE if style == 'actionformer' else {**BASELINE, **TRIDET})
        if asl:
            if style == 'actionformer':
                config['neck']['theta'] = 0.2
            config['head'].update(
                copy.deepcopy({'sensitivity': SENSITIVITY, 'loss_contrast': CONTRAST})
            )
        config['neck'].update(neck)
        config['head'].update(head)
        config.update(parts)
        return config

    return make


@pytest.fixture(scope='session')
def build():
    """Function: build a module from a config with a seed; ``lively`` makes every part matter.

    At the start the layer scale (1e-4) hides the blocks, zeros hide the branches of SGP and the
    prior hides the scores, so a wrong one would not show.
    """

    def make(config, seed=0, lively=True):
        torch.manual_seed(seed)
        with DefaultScope.overwrite_default_scope('mmaction'):  # as a Runner does
            model = MODELS.build(config)
        if lively:
            for name, value in model.named_parameters():
                if name.endswith('_path.scale'):
                    torch.nn.init.uniform_(value, 0.5, 1.0)
                elif name.endswith('cls_out.bias'):
                    torch.nn.init.zeros_(value)
                elif name.endswith('loc_out.bias'):
                    torch.nn.init.ones_(value)
                elif name.endswith('bias') or not value.any():
                    torch.nn.init.normal_(value, std=0.1)
        return model

    return make


@pytest.fixture(scope='session')
def make_sample():
    """Function: one packed sample (features, data sample) of ``steps`` steps."""

    def make(steps, segments=(), labels=(), name='v', channels=IN_CHANNELS, seed=0):
        generator = torch.Generator().manual_seed(seed)
        grid = FeatureGrid(fps=10.0, feat_stride=5, clip_len=5)
        segments = torch.tensor(segments, dtype=torch.float32).view(-1, 2)
        labels = torch.tensor(labels, dtype=torch.int64)
        sample = ActionDataSample(
            metainfo={
                'video_name': name,
                'duration': float(grid.to_seconds(steps)),
                'num_steps': steps,
                'grid': grid,
                'scored_segments': np.asarray(grid.to_seconds(segments.double())),
                'scored_labels': labels.numpy(),
            }
        )
        sample.gt_instances = InstanceData(segments=segments, labels=labels)
        return torch.randn(steps, channels, generator=generator), sample

    return make


@pytest.fixture(scope='session')
def collate():
    """Function: samples -> what the data preprocessor takes."""

    def make(*samples):
        samples = copy.deepcopy(samples)
        inputs, data_samples = zip(*samples, strict=True)
        return {'inputs': list(inputs), 'data_samples': list(data_samples)}

    return make


class OpRecorder(TorchDispatchMode):
    """Records every operation with the shapes of its tensors."""

    def __init__(self):
        super().__init__()
        self.ops = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        seen = [
            (tuple(x.shape), x.dtype)
            for x in tree_flatten((args, kwargs, out))[0]
            if isinstance(x, torch.Tensor)
        ]
        self.ops.append((str(func), seen))
        return out


@pytest.fixture(scope='session')
def op_recorder():
    """Context manager with ``ops``: (name, [(shape, dtype), ...]) of all that ran in it."""
    return OpRecorder
