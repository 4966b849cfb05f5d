"""The training step: fixed shapes without a device sync, and it does learn."""

import copy

import pytest
import torch

from asl_mmaction.structures.segments import segment_tiou

# What reads a value back to the host, or makes a shape depend on values.
SYNCING = (
    '_local_scalar_dense',
    'nonzero',
    'masked_select',
    'unique',
    'is_nonzero',
    'equal.default',
    'repeat_interleave.Tensor',
    'bincount',
    'aten.item',
)


@pytest.fixture(scope='module', params=['actionformer', 'tridet'])
def style(request):
    return request.param


PER_CLASS = {'per_class': True, 'assigner': {'match': 'all'}}
SIMOTA = {'assigner': {'type': 'SimOTAAssigner', 'sensitivity_power': 0.5}}
SIMOTA_PER_CLASS = {'per_class': True, 'assigner': {'type': 'SimOTAAssigner', 'match': 'all'}}


@pytest.fixture(
    scope='module',
    params=[{}, PER_CLASS, SIMOTA, SIMOTA_PER_CLASS],
    ids=['a point', 'a class', 'a point by cost', 'a class by cost'],
)
def matching(request):
    """Settings of the head: one ground truth a point, or one a class of it; the assigner."""
    return request.param


@pytest.fixture(scope='module')
def record(style, matching, build, localizer_config, make_sample, collate, op_recorder):
    """Function: operations of a training step on three videos with these ground truths."""

    def record(truths, seed, normalize='per_gt', gt_divisor=4):
        config = localizer_config(
            True,
            style=style,
            neck={'drop_path': 0.1},
            head={'loss_normalizer': 100, **matching},
        )
        if style == 'actionformer':
            config['neck']['dropout'] = 0.1
        config['head']['sensitivity']['normalize'] = normalize
        config['data_preprocessor']['gt_divisor'] = gt_divisor
        model = build(config).train()
        samples = [
            make_sample(length, *some, seed=seed + length)
            for length, some in zip((13, 16, 9 + seed), truths, strict=True)
        ]
        inputs = model.data_preprocessor(collate(*samples), training=True)
        with op_recorder() as recorder:
            losses = model(**inputs, mode='loss')
            sum(value for key, value in losses.items() if 'loss' in key).backward()
        return recorder.ops

    return record


BUSY = [([(1.5, 6.2), (2.0, 12.1)], [0, 2]), ([(3.3, 8.4)], [1]), ([(0.1, 0.2)] * 3, [1, 1, 0])]
EMPTY = [((), ())] * 3


@pytest.mark.parametrize('normalize', ['none', 'per_gt', 'batch'])
@pytest.mark.parametrize('truths', [BUSY, EMPTY], ids=['busy', 'empty'])
def test_no_device_sync(record, truths, normalize):
    ops = record(truths, 0, normalize)
    assert any('convolution_backward' in name for name, _ in ops)  # the backward pass too
    assert [name for name, _ in ops if any(word in name for word in SYNCING)] == []
    masked = [
        name
        for name, tensors in ops
        if 'aten.index' in name and any(dtype == torch.bool for _, dtype in tensors[1:])
    ]
    assert masked == []


def test_no_shape_depends_on_values(record):
    first, second, empty = record(BUSY, 0), record(BUSY[::-1], 3), record(EMPTY, 1)
    assert len(first) > 500
    assert first == second == empty


def test_the_step_stays_on_the_device_of_the_model(
    build, localizer_config, make_sample, collate, style, matching, monkeypatch
):
    """On a device that has no values: what is left on the CPU, or read back to it, is an error."""
    autocast, is_enabled = torch.autocast, torch.is_autocast_enabled
    # This device has no autocast of its own.
    monkeypatch.setattr(torch, 'autocast', lambda _, **options: autocast('cpu', **options))
    monkeypatch.setattr(torch, 'is_autocast_enabled', lambda _: is_enabled('cpu'))
    model = build(localizer_config(True, style=style, head=matching)).train().to('meta')
    batch = collate(make_sample(13, [(1.5, 6.2)], [0]), make_sample(16, [(3.3, 8.4)], [1]))
    losses = model(**model.data_preprocessor(batch, training=True), mode='loss')
    sum(value for key, value in losses.items() if 'loss' in key).backward()
    assert {value.device.type for value in losses.values()} == {'meta'}
    assert [name for name, value in model.named_parameters() if value.grad is None] == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_no_device_sync_on_a_gpu(build, localizer_config, make_sample, collate, style):
    model = build(localizer_config(True, style=style)).cuda().train()
    batch = collate(make_sample(13, [(1.5, 6.2)], [0]), make_sample(16, [(3.3, 8.4)], [1]))
    inputs = model.data_preprocessor(batch, training=True)
    torch.cuda.set_sync_debug_mode('error')
    try:
        for _ in range(2):
            losses = model(**inputs, mode='loss')
            sum(value for key, value in losses.items() if 'loss' in key).backward()
    finally:
        torch.cuda.set_sync_debug_mode('default')


# Each takes ten seconds and more: each head once, each way to match once, the backward pass once.
@pytest.mark.parametrize(
    ('style', 'matching', 'backend'),
    [('actionformer', {}, 'aot_eager'), ('tridet', SIMOTA_PER_CLASS, 'eager')],
)
def test_compiles_to_one_graph_with_the_same_gradients(
    build, localizer_config, make_sample, collate, style, matching, backend
):
    ranges = {'strides': [1, 2], 'regress_ranges': [(0, 4), (4, 10000)]}
    head = {'loss_normalizer': 100, **ranges, **matching}
    config = localizer_config(True, style=style, head=head, neck={'num_levels': 2})
    model = build(config).train()
    state = copy.deepcopy(model.state_dict())
    batch = collate(make_sample(13, [(1.5, 6.2)], [0]), make_sample(16, [(3.3, 8.4)], [1]))
    inputs = model.data_preprocessor(batch, training=True)
    torch.compiler.reset()
    results = []
    for forward in (model, torch.compile(model, backend=backend, fullgraph=True)):
        model.load_state_dict(state)
        model.zero_grad()
        losses = forward(**inputs, mode='loss')
        sum(value for key, value in losses.items() if 'loss' in key).backward()
        grads = {name: value.grad for name, value in model.named_parameters()}
        results.append((losses, grads, model.head.normalizer.clone()))
    torch.testing.assert_close(results[1], results[0])


def test_bfloat16_autocast_stays_close(
    single, build, localizer_config, make_sample, collate, style
):
    model = build(localizer_config(True, style=style)).train()
    batch = collate(make_sample(13, [(1.5, 6.2)], [0]), make_sample(16, [(3.3, 8.4)], [1]))
    inputs = model.data_preprocessor(batch, training=True)
    expected = model(**inputs, mode='loss')
    with torch.autocast('cpu', torch.bfloat16):
        losses = model(**inputs, mode='loss')
    # What such roundings do to this model: each layer's output off by up to half an eps, at random.
    generator = torch.Generator().manual_seed(0)

    def rounded(layer, args, out):
        if isinstance(out, torch.Tensor) and out.is_floating_point():
            noise = torch.rand(out.shape, generator=generator) * 2 - 1
            return out * (1 + noise * torch.finfo(torch.bfloat16).eps / 2)
        return out

    for layer in model.modules():
        if not list(layer.children()):
            layer.register_forward_hook(rounded)
    others = [model(**inputs, mode='loss') for _ in range(8)]
    # An output is rounded beside its inputs and weights, and sums in an order of the processor's.
    for key, value in losses.items():
        assert value.dtype == torch.float32
        off = max((other[key] - expected[key]).abs() for other in others)
        assert (value - expected[key]).abs() <= 8 * off + 1e-6, key


@pytest.mark.parametrize(('asl', 'matching'), [(False, {}), (True, {}), (True, SIMOTA)])
def test_overfits_one_video(build, localizer_config, make_sample, collate, style, asl, matching):
    segments, labels = [(4.0, 9.5), (14.2, 26.0), (30.0, 34.0)], [0, 1, 2]
    feature, sample = make_sample(40, segments, labels)
    for (start, end), label in zip(segments, labels, strict=True):
        feature[int(start + 1) : int(end + 1), label] += 4  # the action shows in its own channel
    config = localizer_config(asl, style=style, head=matching)
    config['post_processor']['method'] = 'hard'
    model = build(config, lively=False).train()
    inputs = model.data_preprocessor(collate((feature, sample)), training=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    history = []
    for _ in range(120):
        losses = model(**inputs, mode='loss')
        optimizer.zero_grad()
        sum(value for key, value in losses.items() if 'loss' in key).backward()
        optimizer.step()
        history.append((losses['loss_cls'] + losses['loss_loc']).item())
    assert history[-1] < 0.1 * history[0]

    model.eval()
    with torch.no_grad():
        (found,) = model(**inputs, mode='predict')
    found = found.pred_instances
    best = found.segments[:3]
    order = best[:, 0].argsort()
    assert found.labels[:3][order].tolist() == labels
    expected = sample.grid.to_seconds(torch.tensor(segments, dtype=torch.float64))
    assert segment_tiou(best[order], expected).diagonal().min() > 0.8
    assert found.scores[2] > 0.5
    assert len(found) == 3 or found.scores[3] < 0.2
