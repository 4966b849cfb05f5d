"""An untrained ASL model on a few synthetic sequences, as files."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope

import asl_mmaction  # noqa: F401
from asl_mmaction.datasets.preparation.synthetic import CLASSES, generate

CONFIG = Path(__file__).parents[2] / 'configs' / 'asl' / 'asl_demo.py'


@pytest.fixture(scope='session')
def save_untrained():
    """Of a config for the classes of the demo: its untrained model, as a checkpoint."""

    def save(config, path):
        torch.manual_seed(0)
        with DefaultScope.overwrite_default_scope('mmaction'):
            model = MODELS.build(config.model)
        meta = {'dataset_meta': {'classes': CLASSES}}
        torch.save({'meta': meta, 'state_dict': model.state_dict()}, path)
        return path

    return save


@pytest.fixture(scope='session')
def demo(tmp_path_factory, save_untrained):
    """``config``, its file ``config_path``, ``checkpoint``, ``data`` folder and ``classes``."""
    folder = tmp_path_factory.mktemp('apis')
    generate(folder / 'data', num_train=1, num_test=3)
    config = Config.fromfile(CONFIG)
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        config[name].dataset.data_root = str(folder / 'data')
        config[name].batch_size = 2
    config.dump(folder / 'tiny.py')
    checkpoint = save_untrained(config, folder / 'tiny.pth')
    return SimpleNamespace(
        config=config,
        config_path=folder / 'tiny.py',
        checkpoint=checkpoint,
        data=folder / 'data',
        classes=CLASSES,
    )
