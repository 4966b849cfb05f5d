"""Two processes with a part of the batch each train as one does with the whole batch.

Run as a script, this file is one of the two processes.
"""

import subprocess
import sys

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


@pytest.fixture(scope='module')
def problems(localizer_config, make_sample, collate):
    """Of each normalization config and two steps of three videos: in halves, and together.

    The second process has one of the videos; in the second step one without ground truth.
    """
    first = make_sample(13, [(1.5, 6.2), (2.0, 12.1), (7.0, 10.5)], [0, 2, 1], seed=1)
    second = make_sample(30, [(3.3, 8.4)], [2], seed=2)
    third = make_sample(18, [(0.3, 9.4), (8.2, 14.1)], [0, 1], seed=3)
    empty = make_sample(9, seed=4)
    halves = [(collate(first, second), collate(third)), (collate(third, first), collate(empty))]
    joint = [collate(first, second, third), collate(third, first, empty)]
    problems = {}
    for normalize in ('per_gt', 'batch'):
        config = localizer_config(True, head={'loss_normalizer': 20.0})
        config['head']['loss_contrast']['gather'] = True
        config['head']['sensitivity']['normalize'] = normalize
        problems[normalize] = config, halves, joint
    return problems


@pytest.fixture(scope='module')
def found(problems, run_python, tmp_path_factory):
    """What each of the two processes found, of each problem."""
    folder = tmp_path_factory.mktemp('two')
    torch.save(problems, folder / 'problems.pt')
    workers = [
        subprocess.Popen([sys.executable, __file__, str(rank), folder], env=run_python.environment)
        for rank in range(2)
    ]
    assert [worker.wait() for worker in workers] == [0, 0]
    return [torch.load(folder / f'{rank}.pt') for rank in range(2)]


@pytest.mark.parametrize('normalize', ['per_gt', 'batch'])
def test_losses_gradients_and_normalizer(problems, found, normalize):
    config, _, joint = problems[normalize]
    expected = steps(config, joint)
    for results in found:
        for ours, theirs in zip(results[normalize], expected, strict=True):
            assert {'loss_cls', 'loss_loc', 'loss_sensitivity', 'loss_ascl'} <= ours.keys()
            torch.testing.assert_close(ours, theirs)


if __name__ == '__main__':
    rank, folder = int(sys.argv[1]), sys.argv[2]
    torch.set_default_dtype(torch.float64)
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/rendezvous', rank=rank, world_size=2
    )
    problems = torch.load(f'{folder}/problems.pt', weights_only=False)
    results = {
        name: steps(config, [half[rank] for half in halves])
        for name, (config, halves, _) in problems.items()
    }
    torch.save(results, f'{folder}/{rank}.pt')
    torch.distributed.destroy_process_group()
