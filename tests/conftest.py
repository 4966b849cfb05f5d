"""What many tests share."""

import gc
import importlib.util
import json
import os
import random
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer

import asl_mmaction  # noqa: F401  registers the parts that configs name
from asl_mmaction.cli import memory
from asl_mmaction.datasets.preparation.synthetic import generate

ROOT = Path(__file__).parents[1]

# Test models are small: threads cost more than they gain. Who asks for several gets them.
torch.set_num_threads(int(os.environ.setdefault('OMP_NUM_THREADS', '1')))

# The same examples on every machine, however slow; `--hypothesis-profile=default` draws new ones.
settings.register_profile(
    'same', derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile('same')


@pytest.fixture(autouse=True)
def _same_draws():
    """A test draws the same numbers whatever ran before it in its process."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 (what mmengine seeds)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _little_garbage_to_look_through():
    """mmengine collects garbage for each data set: not among all that the stack has imported."""
    if len(sys.modules) > _little_garbage_to_look_through.modules + 50:
        gc.collect()
        gc.freeze()
        _little_garbage_to_look_through.modules = len(sys.modules)


_little_garbage_to_look_through.modules = 0


@pytest.fixture(autouse=True)
def _no_runs_before():
    """Runs of one second have one name, by which mmengine hands on the logger of the first.

    The scope that a run leaves is not that of the next test, whatever order they come in.
    """
    for kept in (MMLogger, MessageHub, Visualizer):
        kept._instance_dict.clear()
    scopes = DefaultScope._instance_dict.copy()
    yield
    DefaultScope._instance_dict.clear()
    DefaultScope._instance_dict.update(scopes)


@contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    yield
    torch.set_default_dtype(before)


@pytest.fixture
def double():
    """New tensors, weights and batches are float64.

    Two ways to compute the same then differ by about 1e-15 on any processor, far below the 1e-7
    that ``assert_close`` allows, and a mistake by much more.
    """
    with default_dtype(torch.float64):
        yield


@pytest.fixture(scope='module')
def all_double():
    """:func:`double` for all tests of a module."""
    with default_dtype(torch.float64):
        yield


@pytest.fixture
def single():
    """Float32, for one test among those in :func:`all_double`."""
    with default_dtype(torch.float32):
        yield


@pytest.fixture(scope='session')
def real_data():
    """Function: path of one of the benchmarks' own files; a test that asks for a missing one skips.

    They are looked for in the folder that the environment variable ASL_MMACTION_TEST_DATA names.
    """
    default = ROOT.parent / 'shared' / 'data'
    folder = Path(os.environ.get('ASL_MMACTION_TEST_DATA', default))

    def find(name):
        if not (folder / name).exists():
            pytest.skip(f'needs {name} in the folder ASL_MMACTION_TEST_DATA')
        return folder / name

    return find


@pytest.fixture(scope='session')
def demo_data(tmp_path_factory):
    """Folder of a synthetic data set with 8 training and 5 test sequences."""
    folder = tmp_path_factory.mktemp('data') / 'demo'
    generate(folder, num_train=8, num_test=5)
    return folder


@pytest.fixture(scope='session')
def tiny_config_text(demo_data):
    """Config of ASL, narrow, 4 steps in each of 3 epochs."""
    return f"""
_base_ = ['{ROOT}/configs/asl/asl_demo.py']
model = dict(
    projection=dict(out_channels=16),
    neck=dict(num_levels=3, stem_depth=1),
    head=dict(strides=[1, 2, 4], regress_ranges=[(0, 4), (4, 8), (8, 10000)]),
)
train_dataloader = dict(batch_size=2, dataset=dict(data_root='{demo_data}'))
val_dataloader = dict(batch_size=2, dataset=dict(data_root='{demo_data}'))
test_dataloader = dict(batch_size=2, dataset=dict(data_root='{demo_data}'))
train_cfg = dict(max_epochs=3, val_interval=3)
param_scheduler = [dict(type='LinearLR', start_factor=0.1, end=1, convert_to_iter_based=True)]
default_hooks = dict(logger=dict(interval=1))
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(vis_backends=vis_backends)
"""


@pytest.fixture
def tiny_config(tiny_config_text, tmp_path):
    """Path of that config in a user's own folder."""
    path = tmp_path / 'tiny.py'
    path.write_text(tiny_config_text)
    return path


@pytest.fixture(scope='module')
def ablate():
    """tools/analysis/ablate.py in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / 'tools' / 'analysis')
        patch.delitem(sys.modules, 'compare', raising=False)
        patch.setattr(sys, 'argv', ['ablate.py'])
        spec = importlib.util.spec_from_file_location(
            'ablate', ROOT / 'tools' / 'analysis' / 'ablate.py'
        )
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module


@pytest.fixture(scope='session')
def run_python():
    """Run Python in a process of its own, with this checkout first on its path."""

    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}

    def run(*args, cwd=None, **env):
        return subprocess.run(
            [sys.executable, *map(str, args)],
            cwd=cwd,
            env={**environment, **env},
            capture_output=True,
            text=True,
        )

    run.environment = environment
    return run


@pytest.fixture(scope='session')
def fresh_process(run_python):
    """What ``fresh_process.py`` prints, and under ``done`` how the process ended."""
    done = run_python(ROOT / 'tests' / 'fresh_process.py')
    return {**json.loads(done.stdout), 'done': done}


@pytest.fixture(scope='session')
def load_tool():
    """Function: the module of a tool, such as ``'analysis/visualize'``, loaded anew."""

    def load(name):
        path = ROOT / 'tools' / f'{name}.py'
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        with pytest.MonkeyPatch.context() as patch:  # a tool finds its neighbors
            patch.syspath_prepend(path.parent)
            spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope='session', autouse=True)
def _tools_beside_one_another():
    """What a tool does for itself, and not for the next test in its process."""
    with pytest.MonkeyPatch.context() as patch:
        # The process would keep the most memory that any of them needed.
        patch.setattr(memory, 'keep_freed_memory', lambda: None)
        # The layout of a config in a log takes half of the time of a short run.
        patch.setattr('mmengine.config.config.FormatCode', lambda text, **_: (text, True))
        yield
