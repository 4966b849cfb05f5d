"""Checkpoints of the public ActionFormer code: the converted model against the network written out.

The reference below is the published network, channels first and by plain functions, on the entries
of the checkpoint under their own names. (Beside the public code itself, which is not part of this
project, the converted model agrees to 1e-5 on logits of size 5.)
"""

import importlib.util
import json
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from mmengine.config import Config

TOOL = Path(__file__).parents[2] / 'tools' / 'model_converters' / 'from_actionformer.py'
WIDTH, HEADS, LEVELS, CLASSES = 8, 2, 3, 3
SOURCES = {5: None, (3, 4): (6, 2)}  # widths of the features -> widths of their projections


def load_tool():
    spec = importlib.util.spec_from_file_location(TOOL.stem, TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_state(in_channels=5, seed=0):
    """Random entries with the names and shapes of the public code."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape):
        return torch.randn(*shape, generator=generator) * 0.4

    state = {}

    def norm(name):
        state[f'{name}.weight'] = random(1, WIDTH, 1) + 1
        state[f'{name}.bias'] = random(1, WIDTH, 1)

    width = in_channels
    if isinstance(in_channels, tuple):
        for i, (a, b) in enumerate(zip(in_channels, SOURCES[in_channels], strict=True)):
            state[f'backbone.proj.{i}.conv.weight'] = random(b, a, 1)
            state[f'backbone.proj.{i}.conv.bias'] = random(b)
        width = WIDTH
    for i in range(2):
        state[f'backbone.embd.{i}.conv.weight'] = random(WIDTH, WIDTH if i else width, 3)
        norm(f'backbone.embd_norm.{i}')
    blocks = ['stem.0', 'stem.1', *(f'branch.{i}' for i in range(LEVELS - 1))]
    for block in blocks:
        for kind in ('query', 'key', 'value'):
            state[f'backbone.{block}.attn.{kind}_conv.conv.weight'] = random(WIDTH, 1, 3)
            norm(f'backbone.{block}.attn.{kind}_norm')
        for kind in ('query', 'key', 'value', 'proj'):
            state[f'backbone.{block}.attn.{kind}.weight'] = random(WIDTH, WIDTH, 1)
            state[f'backbone.{block}.attn.{kind}.bias'] = random(WIDTH)
        norm(f'backbone.{block}.ln1')
        norm(f'backbone.{block}.ln2')
        for layer, (a, b) in ((0, (WIDTH, 4 * WIDTH)), (3, (4 * WIDTH, WIDTH))):
            state[f'backbone.{block}.mlp.{layer}.weight'] = random(b, a, 1)
            state[f'backbone.{block}.mlp.{layer}.bias'] = random(b)
        for kind in ('attn', 'mlp'):
            state[f'backbone.{block}.drop_path_{kind}.scale'] = random(1, WIDTH, 1)
    for level in range(LEVELS):
        norm(f'neck.fpn_norms.{level}')
        state[f'reg_head.scale.{level}.scale'] = random(1)[0] + 1
        state[f'point_generator.buffer_points.{level}'] = random(4, 4)
    for head, out, size in (('cls_head', 'cls_head', CLASSES), ('reg_head', 'offset_head', 2)):
        for i in range(2):
            state[f'{head}.head.{i}.conv.weight'] = random(WIDTH, WIDTH, 3)
            norm(f'{head}.norm.{i}')
        state[f'{head}.{out}.conv.weight'] = random(size, WIDTH, 3)
        state[f'{head}.{out}.conv.bias'] = random(size)
    return state


def reference(state, x):
    """(C, T) features, nothing padded -> logits (P, K) and offsets (P, 2)."""

    def norm(name, x):
        x = (x - x.mean(0)) / torch.sqrt(x.var(0, unbiased=False) + 1e-5)
        return x * state[f'{name}.weight'][0] + state[f'{name}.bias'][0]

    def conv(name, x, **kwargs):
        padding = state[f'{name}.weight'].size(-1) // 2
        bias = state.get(f'{name}.bias')
        return F.conv1d(x[None], state[f'{name}.weight'], bias, padding=padding, **kwargs)[0]

    def block(name, x, stride):
        normed, parts = norm(f'{name}.ln1', x), {}
        for kind in ('query', 'key', 'value'):
            part = conv(f'{name}.attn.{kind}_conv.conv', normed, stride=stride, groups=WIDTH)
            parts[kind] = conv(f'{name}.attn.{kind}', norm(f'{name}.attn.{kind}_norm', part))
        mixed = []
        for head in range(HEADS):
            rows = slice(head * WIDTH // HEADS, (head + 1) * WIDTH // HEADS)
            query, key, value = (parts[kind][rows] for kind in ('query', 'key', 'value'))
            attention = (query.T @ key / math.sqrt(WIDTH // HEADS)).softmax(-1)
            mixed.append(value @ attention.T)
        mixed = conv(f'{name}.attn.proj', torch.cat(mixed))
        skip = x if stride == 1 else F.max_pool1d(x[None], 3, stride=2, padding=1)[0]
        x = skip + mixed * state[f'{name}.drop_path_attn.scale'][0]
        hidden = F.gelu(conv(f'{name}.mlp.0', norm(f'{name}.ln2', x)))
        return x + conv(f'{name}.mlp.3', hidden) * state[f'{name}.drop_path_mlp.scale'][0]

    def tower(convs, norms, x):
        for i in range(2):
            x = norm(f'{norms}.{i}', conv(f'{convs}.{i}.conv', x)).relu()
        return x

    if 'backbone.proj.0.conv.weight' in state:
        parts = x.split((3, 4))
        x = torch.cat([conv(f'backbone.proj.{i}.conv', part) for i, part in enumerate(parts)])
    x = tower('backbone.embd', 'backbone.embd_norm', x)
    for i in range(2):
        x = block(f'backbone.stem.{i}', x, 1)
    levels = [x]
    for i in range(LEVELS - 1):
        levels.append(block(f'backbone.branch.{i}', levels[-1], 2))
    logits, offsets = [], []
    for i, x in enumerate(levels):
        x = norm(f'neck.fpn_norms.{i}', x)
        classes, distances = (
            tower(f'{name}.head', f'{name}.norm', x) for name in ('cls_head', 'reg_head')
        )
        logits.append(conv('cls_head.cls_head.conv', classes).T)
        distances = (
            conv('reg_head.offset_head.conv', distances) * state[f'reg_head.scale.{i}.scale']
        )
        offsets.append(distances.relu().T)
    return torch.cat(logits), torch.cat(offsets)


def make_config(folder, in_channels=5, **neck):
    projection = dict(type='ConvProjection', in_channels=in_channels, out_channels=WIDTH)
    if isinstance(in_channels, tuple):
        projection['source_channels'] = SOURCES[in_channels]
    head = dict(
        type='PointHead',
        num_classes=CLASSES,
        in_channels=WIDTH,
        feat_channels=WIDTH,
        strides=[1, 2, 4],
        regress_ranges=[(0, 4), (4, 8), (8, 1000)],
    )
    neck = dict(channels=WIDTH, num_heads=HEADS, num_levels=LEVELS, stem_depth=2) | neck
    model = dict(
        type='DenseLocalizer',
        data_preprocessor=dict(type='FeaturePreprocessor', size_divisor=4),
        projection=projection,
        neck=dict(type='TransformerPyramid', **neck),
        head=head,
        post_processor=dict(type='SoftNMSPostProcessor'),
    )
    dataset = dict(data_root=str(folder), ann_file='annotations.json')
    path = folder / 'config.py'
    Config(dict(model=model, test_dataloader=dict(dataset=dataset))).dump(path)
    return path


def convert(folder, content, *options, dataset=None, **sizes):
    torch.save(content, folder / 'theirs.pth.tar')
    config = make_config(folder, **sizes)
    if dataset is not None:
        changed = Config.fromfile(config)
        changed.test_dataloader.dataset = dataset
        changed.dump(config)
    args = [config, folder / 'theirs.pth.tar', folder / 'ours.pth', *options]
    try:
        code = load_tool().main([str(arg) for arg in args])
    except SystemExit as end:
        code = end.code
    return code, config, folder / 'ours.pth'


def public(state):
    """What the public code saves: data-parallel names, and an average beside the weights."""
    other = {f'module.{name}': value + 1 for name, value in state.items()}
    return {
        'epoch': 3,
        'state_dict': other,
        'state_dict_ema': {f'module.{name}': value for name, value in state.items()},
        'optimizer': {'state': {}, 'param_groups': [{'lr': 1e-4}]},
    }


@pytest.mark.parametrize('in_channels', SOURCES)
@torch.no_grad()
def test_converted_model_is_the_published_network(double, tmp_path, in_channels, capsys):
    state = make_state(in_channels)
    code, config, path = convert(tmp_path, public(state), in_channels=in_channels)
    assert code == 0, capsys.readouterr().err
    model = MODELS.build(Config.fromfile(config).model).eval()
    model.load_state_dict(torch.load(path, weights_only=True)['state_dict'])
    width = sum(in_channels) if isinstance(in_channels, tuple) else in_channels
    x = torch.randn(width, 32, generator=torch.Generator().manual_seed(1))
    mask = torch.ones(1, 32, dtype=torch.bool)
    outputs, _, _ = model.head(*model.neck(model.projection(x.T[None], mask), mask))
    logits, offsets = reference(state, x)
    assert logits.std() > 0.1
    assert offsets.std() > 0.1
    torch.testing.assert_close(outputs.cls_logits[0], logits)
    torch.testing.assert_close(outputs.offsets[0], offsets)


def test_classes_are_put_in_our_order(tmp_path, capsys):
    state = make_state()
    ours = {'classes': ['run', 'jump', 'sit'], 'database': {}}
    (tmp_path / 'annotations.json').write_text(json.dumps(ours))
    actions = [{'label': name, 'label_id': i} for i, name in enumerate(['jump', 'sit', 'run'])]
    theirs = tmp_path / 'theirs.json'
    theirs.write_text(json.dumps({'database': {'a': {'annotations': actions}}}))
    code, _, path = convert(tmp_path, {'state_dict': state}, '--annotations', theirs)
    said = capsys.readouterr()
    assert code == 0, said.err
    assert 'in our order' not in said.out
    found = torch.load(path, weights_only=True)['state_dict']
    order = [2, 0, 1]
    assert torch.equal(found['head.cls_out.bias'], state['cls_head.cls_head.conv.bias'][order])
    assert torch.equal(found['head.cls_out.weight'], state['cls_head.cls_head.conv.weight'][order])
    actions[0]['label'] = 'fly'
    theirs.write_text(json.dumps({'database': {'a': {'annotations': actions}}}))
    code, _, _ = convert(tmp_path, {'state_dict': state}, '--annotations', theirs)
    assert code == 2
    assert "1 of ours missing, such as 'jump'" in capsys.readouterr().err
    assert convert(tmp_path, {'state_dict': state})[0] == 0
    assert 'the classes are taken to stand in our order; --annotations' in capsys.readouterr().out


def test_our_order_is_that_of_the_data_wherever_it_is_from(tmp_path, capsys):
    """The config's class names go before the file's; joined datasets have to agree."""
    state = make_state()
    (tmp_path / 'a.json').write_text(
        json.dumps({'classes': ['run', 'jump', 'sit'], 'database': {}})
    )
    (tmp_path / 'b.json').write_text(
        json.dumps({'classes': ['jump', 'sit', 'run'], 'database': {}})
    )
    (tmp_path / 'names.txt').write_text('sit\nrun\njump\n')
    actions = [{'label': name, 'label_id': i} for i, name in enumerate(['jump', 'sit', 'run'])]
    theirs = tmp_path / 'theirs.json'
    theirs.write_text(json.dumps({'database': {'a': {'annotations': actions}}}))
    options = ('--annotations', theirs)

    def part(file, classes=None):
        return dict(ann_file=str(tmp_path / file), metainfo=classes and dict(classes=classes))

    def joined(*parts):
        return dict(type='ConcatDataset', datasets=list(parts))

    for dataset, order in (
        (part('a.json'), [2, 0, 1]),
        (part('a.json', ['sit', 'jump', 'run']), [1, 0, 2]),
        (part('a.json', str(tmp_path / 'names.txt')), [1, 2, 0]),
        (joined(part('a.json'), part('b.json', ['run', 'jump', 'sit'])), [2, 0, 1]),
    ):
        code, _, path = convert(tmp_path, {'state_dict': state}, *options, dataset=dataset)
        assert code == 0, capsys.readouterr().err
        found = torch.load(path, weights_only=True)['state_dict']
        assert torch.equal(found['head.cls_out.bias'], state['cls_head.cls_head.conv.bias'][order])
    dataset = joined(part('a.json'), part('b.json'))
    assert convert(tmp_path, {'state_dict': state}, *options, dataset=dataset)[0] == 2
    message = "expected the same classes.0 in all datasets but got 'run' in test_dataloader.dataset"
    assert message in capsys.readouterr().err


class Harmful:
    def __reduce__(self):
        return (Path.touch, (Path('harm_done'),))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda state: state.pop('backbone.stem.0.ln1.weight'), 'missing, unknown or of another'),
        (lambda state: state.update({'backbone.stem.0.attn.rel_pe': torch.ones(1)}), 'rel_pe'),
        (lambda state: state.clear(), 'missing, unknown or of another'),
        (lambda state: state.update(harm=Harmful()), 'could not read'),
    ],
)
def test_another_network_is_refused_in_one_line(tmp_path, monkeypatch, capsys, change, message):
    monkeypatch.chdir(tmp_path)
    state = make_state()
    change(state)
    code, _, path = convert(tmp_path, {'state_dict': state})
    error = capsys.readouterr().err
    assert code == 2
    assert 'error: ' in error
    assert error.count('\n') == 1
    assert message in error
    assert not path.exists()
    assert not Path('harm_done').exists()


def test_another_width_is_refused(tmp_path, capsys):
    code, _, _ = convert(tmp_path, {'state_dict': make_state()}, in_channels=7)
    assert code == 2
    assert 'projection.tower.convs.0.weight' in capsys.readouterr().err
