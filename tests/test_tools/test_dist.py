"""Two processes (torchrun, gloo) train and test as one."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

TOOLS = Path(__file__).parents[2] / 'tools'

# Nothing random but what the sampler draws, which goes by turns to the processes.
STEADY = """
_base_ = ['tiny.py']
custom_imports = dict(imports=['asl_mmaction', 'in_float64'])
model = dict(neck=dict(drop_path=0.0), head=dict(loss_contrast=dict(gather=True)))
# Adam would blow rounding errors up where gradients are small.
optim_wrapper = dict(optimizer=dict(_delete_=True, type='SGD', lr=0.1, weight_decay=0.05))
train_dataloader = dict(
    batch_size={batch_size},
    batch_sampler=None,
    dataset=dict(
        pipeline=[
            dict(type='LoadFeature', feat_dim=_base_.feat_dim),
            dict(type='RandomTruncate', max_len=384, crop_ratio=None),
            dict(type='PackTALInputs'),
        ]
    ),
)
train_cfg = dict(max_epochs=1)
"""


@pytest.fixture
def launch(run_python, tmp_path):
    """Run dist_train.sh or dist_test.sh in two processes."""

    def run(script, files, *options):
        with socket.socket() as found:
            found.bind(('127.0.0.1', 0))
            port = found.getsockname()[1]
        paths = os.pathsep.join([run_python.environment['PYTHONPATH'], str(tmp_path)])
        # torchrun lies beside the interpreter.
        path = os.pathsep.join([os.path.dirname(sys.executable), os.environ['PATH']])
        done = subprocess.run(
            ['bash', TOOLS / script, *files, '2', *options],
            cwd=tmp_path,
            env={**run_python.environment, 'PORT': str(port), 'PATH': path, 'PYTHONPATH': paths},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3000:]

    return run


@pytest.mark.parametrize(
    ('script', 'arguments', 'message'),
    [
        ('dist_train.sh', '', 'expected a config and a number of processes but got 0 arguments'),
        ('dist_train.sh', 'tiny.py', 'expected a config and a number of processes but got 1 '),
        ('dist_train.sh', 'none.py 2', 'expected a config file but got none.py, which is no file'),
        (
            'dist_train.sh',
            'tiny.py two',
            'processes of 1 or more but got two; usage: dist_train.sh',
        ),
        ('dist_train.sh', 'tiny.py 0', 'processes of 1 or more but got 0; usage: dist_train.sh'),
        ('dist_train.sh', 'tiny.py --seed', 'processes of 1 or more but got --seed'),
        ('dist_test.sh', '', 'expected a config, a checkpoint and a number of processes but got 0'),
        ('dist_test.sh', 'none.py none.pth 2', 'expected a config file but got none.py'),
        ('dist_test.sh', 'tiny.py none.pth 2', 'expected a checkpoint but got none.pth'),
        ('dist_test.sh', 'tiny.py tiny.py x', 'of 1 or more but got x; usage: dist_test.sh CONFIG'),
    ],
)
def test_a_mistake_ends_in_one_line(tiny_config, tmp_path, script, arguments, message):
    done = subprocess.run(
        ['bash', TOOLS / script, *arguments.split()], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f'{script}: error: ')
    assert message in line


@pytest.fixture
def steady(tiny_config, tmp_path, monkeypatch, double):
    """Configs one.py and two.py, of two videos a step in one process and in two, in float64."""
    (tmp_path / 'in_float64.py').write_text(
        'import torch\ntorch.set_default_dtype(torch.float64)\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name, batch_size in (('one', 2), ('two', 1)):
        (tmp_path / f'{name}.py').write_text(STEADY.format(batch_size=batch_size))


def test_two_processes_train_and_test_as_one(launch, load_tool, steady, tmp_path):
    assert load_tool('train').main(['one.py', '--work-dir', 'one']) == 0
    launch('dist_train.sh', ['two.py'], '--work-dir', 'two')
    one, two = (
        torch.load(tmp_path / name / 'epoch_1.pth', weights_only=True) for name in ('one', 'two')
    )
    assert one['state_dict'].keys() == two['state_dict'].keys()
    for name, value in one['state_dict'].items():
        torch.testing.assert_close(
            two['state_dict'][name], value, msg=lambda text, name=name: f'{name}: {text}'
        )

    # 5 sequences: one process repeats one.
    files = ['one.py', 'one/epoch_1.pth']
    options = ['--work-dir', 'test', '--out']
    assert load_tool('test').main([*files, *options, 'out1']) == 0
    launch('dist_test.sh', files, *options, 'out2')
    metrics = [
        json.loads((tmp_path / name / 'metrics.json').read_text()) for name in ('out1', 'out2')
    ]
    assert metrics[0]['protocol'] == metrics[1]['protocol']
    assert metrics[0]['protocol']['videos'] == 5
    assert metrics[0]['metrics'] == pytest.approx(metrics[1]['metrics'])
