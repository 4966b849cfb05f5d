"""On a GPU: a CPU's numbers, no wait in a step, mixed precision, torch.compile, CUDA graphs."""

import copy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from asl_mmaction.engine.ema import ForeachEMA
from asl_mmaction.engine.hooks import CudaGraphHook
from asl_mmaction.engine.optimizers import BFloat16OptimWrapper, OneSyncOptimWrapper

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')

SIMOTA = {'per_class': True, 'assigner': {'type': 'SimOTAAssigner', 'match': 'all'}}
MODELS = [('actionformer', {}), ('actionformer', SIMOTA), ('tridet', {}), ('tridet', SIMOTA)]


@pytest.fixture(params=MODELS, ids=['points', 'points by cost', 'trident', 'trident by cost'])
def model(request, build, localizer_config):
    """ASL on the CPU, in training, with every part at work."""
    style, head = request.param
    return build(localizer_config(True, style=style, head={'loss_normalizer': 100, **head})).train()


@pytest.fixture
def batches(make_sample, collate):
    """Four: two of one shape once padded, one of more steps and actions, one of a single video."""
    first = collate(make_sample(13, [(1.5, 6.2)], [0]), make_sample(16, [(3.3, 8.4)], [1]))
    second = collate(make_sample(14, [(2.5, 9.2)], [2]), make_sample(15, [(0.3, 3.4)], [1], seed=1))
    busy = make_sample(23, [(4.5, 17.2), (1.0, 3.0), (0.5, 22.0)], [0, 1, 2])
    return first, second, collate(busy, make_sample(9, [(2.0, 6.5)], [1])), collate(busy)


def losses_of(model, batch):
    return model(**model.data_preprocessor(batch, training=True), mode='loss')


def total(losses):
    return sum(value for name, value in losses.items() if 'loss' in name)


def test_losses_and_gradients_are_those_of_a_cpu(model, batches):
    there = copy.deepcopy(model).cuda()
    for batch in batches:  # the second meets the normalizer that the first has moved
        expected, losses = losses_of(model, batch), losses_of(there, copy.deepcopy(batch))
        torch.testing.assert_close({k: v.cpu() for k, v in losses.items()}, expected)
        total(expected).backward()
        total(losses).backward()
    for (name, value), other in zip(model.named_parameters(), there.parameters(), strict=True):
        assert value.grad.any() or 'bias' in name or 'key' in name, name
        torch.testing.assert_close(other.grad.cpu(), value.grad, msg=lambda text, n=name: n + text)


def test_detections_are_those_of_a_cpu(model, batches):
    there = copy.deepcopy(model).cuda().eval()
    with torch.no_grad():
        for batch in batches:
            expected = model.eval().test_step(copy.deepcopy(batch))
            for one, other in zip(expected, there.test_step(batch), strict=True):
                one, other = one.pred_instances, other.pred_instances
                assert len(one) > 0
                assert one.labels.tolist() == other.labels.tolist()
                torch.testing.assert_close(other.segments, one.segments)
                torch.testing.assert_close(other.scores, one.scores)


@pytest.mark.parametrize('wrapper', [OneSyncOptimWrapper, BFloat16OptimWrapper])
def test_a_step_does_not_wait_for_the_device(single, model, batches, wrapper):
    model = model.float().cuda()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    wrapper = wrapper(optimizer, clip_grad={'max_norm': 1.0})
    average = ForeachEMA(model)
    batches = [
        {**batch, 'inputs': [x.float().pin_memory() for x in batch['inputs']]} for batch in batches
    ]

    def step(batch):
        model.train_step(batch, wrapper)
        average.update_parameters(model)

    step(copy.deepcopy(batches[0]))  # libraries choose their kernels
    torch.cuda.set_sync_debug_mode('error')
    try:
        for batch in batches:
            step(batch)
    finally:
        torch.cuda.set_sync_debug_mode('default')


def test_compiles_to_the_same_gradients(build, localizer_config, batches):
    ranges = {'strides': [1, 2], 'regress_ranges': [(0, 4), (4, 10000)]}
    config = localizer_config(True, head={'loss_normalizer': 100, **ranges}, neck={'num_levels': 2})
    model = build(config).cuda().train()
    state = copy.deepcopy(model.state_dict())
    inputs = model.data_preprocessor(batches[0], training=True)
    torch.compiler.reset()
    results = []
    for forward in (model, torch.compile(model, fullgraph=True)):
        model.load_state_dict(state)
        model.zero_grad()
        losses = forward(**inputs, mode='loss')
        total(losses).backward()
        results.append((losses, {name: x.grad for name, x in model.named_parameters()}))
    torch.testing.assert_close(results[1], results[0])


@pytest.fixture
def graphs():
    """Function: let a hook record the steps of a model; undone at the end."""
    done = []

    def start(model):
        hook, runner = CudaGraphHook(), SimpleNamespace(model=model)
        hook.before_train(runner)
        done.append((hook, runner))

    yield start
    for hook, runner in done:
        hook.after_train(runner)
        assert 'forward' not in vars(runner.model)
        assert runner.model.data_preprocessor.largest is None


@pytest.fixture
def replays(monkeypatch):
    """Grows with every replay."""
    counted, replay = [], torch.cuda.CUDAGraph.replay

    def count(graph):
        counted.append(graph)
        return replay(graph)

    monkeypatch.setattr(torch.cuda.CUDAGraph, 'replay', count)
    return counted


def test_graphs_give_the_numbers_of_single_steps(model, batches, graphs, replays):
    model = model.cuda()
    other = copy.deepcopy(model)
    graphs(model)
    optimizers = [torch.optim.AdamW(each.parameters(), lr=1e-2) for each in (model, other)]
    first, second, larger, single = batches
    for batch in (first, second, larger, first, single, second):
        expected, losses = losses_of(other, copy.deepcopy(batch)), losses_of(model, batch)
        torch.testing.assert_close(losses, expected)
        total(losses).backward()
        total(expected).backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        torch.testing.assert_close(model.state_dict(), other.state_dict())
    assert len(replays) == 6
    assert len(set(replays)) == 3  # as large as the first, as large as any, one video


def test_gradients_of_replays_add_up(model, batches, graphs, replays):
    """Of batches of several shapes, scaled, as an optimizer wrapper does."""
    model = model.cuda()
    other = copy.deepcopy(model)
    graphs(model)
    for batch in batches:
        (total(losses_of(other, copy.deepcopy(batch))) / 4).backward()
        (total(losses_of(model, batch)) / 4).backward()
    assert len(replays) == 4
    for value, expected in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(value.grad, expected.grad)


def test_graphs_under_autocast(single, model, batches, graphs, replays):
    model = model.float().cuda()
    other = copy.deepcopy(model)
    graphs(model)
    for batch in batches[:2]:
        batch['inputs'] = [x.float() for x in batch['inputs']]
        with torch.autocast('cuda', torch.bfloat16):
            expected, losses = losses_of(other, copy.deepcopy(batch)), losses_of(model, batch)
        assert {value.dtype for value in losses.values()} == {torch.float32}
        # One rounding to bfloat16 is 4e-3; the same kernels make the same ones.
        torch.testing.assert_close(losses, expected, rtol=1e-2, atol=1e-3)
    assert len(replays) == 2
    losses = losses_of(model, batches[0])  # without autocast: a graph of its own
    torch.testing.assert_close(losses, losses_of(other, batches[0]), rtol=1e-3, atol=1e-4)
    assert len(set(replays)) == 2


def test_a_prediction_is_not_recorded(build, localizer_config, batches, graphs, replays):
    model = build(localizer_config(True)).cuda().train()
    graphs(model)
    losses_of(model, batches[0])
    with torch.no_grad():
        assert model.eval().test_step(batches[0])
        losses_of(model, batches[0])
    assert len(replays) == 1


@pytest.mark.parametrize('setting', ['cuda_graph=True', 'compile.mode=reduce-overhead'])
def test_the_tool_trains_in_mixed_precision(setting, tiny_config, run_python, tmp_path):
    """To its end, with three lengths of batches, and resumed."""
    train = ROOT / 'tools' / 'train.py', tiny_config, '--work-dir', tmp_path / 'work', '--amp'
    options = ('--cfg-options', setting)
    if setting.startswith('compile'):  # the compiler takes its time
        options = *options, 'train_cfg.max_epochs=1', 'train_cfg.val_interval=1'
    done = run_python(*train, *options)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / 'work' / 'last_checkpoint').is_file()
    if setting == 'cuda_graph=True':
        done = run_python(*train, '--resume', *options, 'train_cfg.max_epochs=4')
        assert done.returncode == 0, done.stderr[-2000:]
