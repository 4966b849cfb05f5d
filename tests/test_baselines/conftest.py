"""Small samples and runs, shared by the tests of mmaction2's localizers."""

from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope

import asl_mmaction.baselines  # noqa: F401  registers what the configs name
from asl_mmaction.datasets.transforms import PackTALInputs, ResizeFeature
from asl_mmaction.structures.feature_grid import FeatureGrid

CONFIGS = Path(__file__).parents[2] / 'configs' / 'mmaction'
WIDTH = 8


@pytest.fixture(scope='module', autouse=True)
def _scope():
    with DefaultScope.overwrite_default_scope('mmaction'):
        yield


@pytest.fixture(scope='session')
def make_sample():
    """Function: a packed sample, a step each 0.5 s, seen for 1 s; segments in seconds."""

    def make(num_steps, segments=(), name='v', seed=0, resize=None, width=WIDTH):
        feature = np.random.default_rng(seed).normal(size=(num_steps, width)).astype(np.float32)
        segments = np.array(segments, dtype=np.float64).reshape(-1, 2)
        sample = dict(
            feature=feature,
            grid=FeatureGrid(fps=10, feat_stride=5, clip_len=10),
            video_name=name,
            duration=0.5 * num_steps + 0.5,
            segments=segments,
            labels=np.zeros(len(segments), dtype=np.int64),
        )
        if resize is not None:
            sample = ResizeFeature(length=resize).transform(sample)
        return PackTALInputs().transform(sample)

    return make


@pytest.fixture
def tiny_config(demo_data, tmp_path):
    """Function: a config on the demo data in windows of 32 steps, 2 epochs of few steps."""

    def make(name):
        config = Config.fromfile(CONFIGS / f'{name}.py')
        config.work_dir = str(tmp_path / name)
        config.visualizer.vis_backends = [dict(type='LocalVisBackend')]
        config.train_dataloader.batch_size = 4
        for loader in ('train', 'val', 'test'):
            dataset = (config.get(f'{loader}_dataloader') or {}).get('dataset')
            if dataset is None:
                continue
            if dataset.get('type') == 'RepeatDataset':
                dataset.times = 2
                dataset = dataset.dataset
            dataset.update(data_root=str(demo_data), ann_file='annotations.json')
            dataset.grid = dict(fps=10, feat_stride=4, clip_len=8)
            for step in dataset.pipeline:
                if step.type == 'LoadFeature' and step.feat_dim != 36:
                    step.feat_dim = 24
                if step.type == 'RandomTruncate':
                    step.max_len = 32
        config.train_cfg.update(max_epochs=2, val_interval=2)
        config.param_scheduler = [dict(type='LinearLR', start_factor=0.1, end=2)]
        config.default_hooks.logger.interval = 1
        return config

    return make
