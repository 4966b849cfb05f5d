"""Two processes with a part of the batch each train as one does with the whole batch.

Run as a script, this file is one of the two processes.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed
from mmaction.registry import MODELS
from mmengine.registry import DefaultScope

import asl_mmaction  # noqa: F401


def steps(config, batches):
    """Loss terms and gradients of some training steps, averaged over the processes."""
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(config).train()
    for name, value in model.named_parameters():
        if name.endswith('_path.scale'):
            torch.nn.init.ones_(value)
    out = []
    for batch in batches:
        model.zero_grad()
        losses = model(**model.data_preprocessor(batch, training=True), mode='loss')
        losses = {key: value for key, value in losses.items() if 'loss' in key}
        sum(losses.values()).backward()
        grads = {name: value.grad for name, value in model.named_parameters()}
        result = {key: value.detach() for key, value in losses.items()} | grads
        if torch.distributed.is_initialized():
            for value in result.values():  # as data-parallel training does
                torch.distributed.all_reduce(value)
                value /= torch.distributed.get_world_size()
        out.append(result | {'normalizer': model.head.normalizer.clone()})
    return out


@pytest.fixture(scope='module', params=['per_gt', 'batch'])
def problem(request, localizer_config, make_sample, collate):
    """Config and two steps of three videos; the second process has one of them.

    In the second step it is a video without ground truth.
    """
    config = localizer_config(True, head={'loss_normalizer': 20.0})
    config['head']['loss_contrast']['gather'] = True
    config['head']['sensitivity']['normalize'] = request.param
    first = make_sample(13, [(1.5, 6.2), (2.0, 12.1), (7.0, 10.5)], [0, 2, 1], seed=1)
    second = make_sample(30, [(3.3, 8.4)], [2], seed=2)
    third = make_sample(18, [(0.3, 9.4), (8.2, 14.1)], [0, 1], seed=3)
    empty = make_sample(9, seed=4)
    halves = [(collate(first, second), collate(third)), (collate(third, first), collate(empty))]
    joint = [collate(first, second, third), collate(third, first, empty)]
    return config, halves, joint


def test_losses_gradients_and_normalizer(problem, tmp_path):
    config, halves, joint = problem
    torch.save((config, halves), tmp_path / 'problem.pt')
    root = Path(__file__).parents[3]
    environment = {**os.environ, 'PYTHONPATH': str(root), 'OMP_NUM_THREADS': '1'}
    workers = [
        subprocess.Popen([sys.executable, __file__, str(rank), str(tmp_path)], env=environment)
        for rank in range(2)
    ]
    assert [worker.wait(timeout=300) for worker in workers] == [0, 0]
    expected = steps(config, joint)
    for rank in range(2):
        for ours, theirs in zip(torch.load(tmp_path / f'{rank}.pt'), expected, strict=True):
            assert ours.keys() == theirs.keys()
            assert {'loss_cls', 'loss_loc', 'loss_sensitivity', 'loss_ascl'} <= ours.keys()
            for key, value in theirs.items():
                torch.testing.assert_close(
                    ours[key], value, atol=1e-5, rtol=1e-3, msg=lambda m, key=key: f'{key}: {m}'
                )


if __name__ == '__main__':
    rank, folder = int(sys.argv[1]), sys.argv[2]
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/rendezvous', rank=rank, world_size=2
    )
    config, halves = torch.load(f'{folder}/problem.pt', weights_only=False)
    torch.save(steps(config, [half[rank] for half in halves]), f'{folder}/{rank}.pt')
    torch.distributed.destroy_process_group()
