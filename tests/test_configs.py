"""Every config builds, trains a step and predicts; the base fragments can be combined."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmaction.registry import DATASETS, METRICS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

from asl_mmaction.apis import load_config

ROOT = Path(__file__).parents[1] / 'configs'
FILES = sorted(ROOT.rglob('*.py'))
BASES = [path for path in FILES if '_base_' in path.parts]
# With tests of their own: tests/test_baselines, and test_backtal_configs.py.
APART = ('mmaction', 'backtal')
CONFIGS = [path for path in FILES if path not in BASES and path.parent.name not in APART]
BASELINES = [path for path in CONFIGS if path.stem.startswith(('actionformer_', 'tridet_'))]
# The full method and its baseline on the same data; component rows have no baseline of their name.
FULL = [
    (path, baseline)
    for baseline in BASELINES
    for path in CONFIGS
    if path.stem == f'asl_{baseline.stem.removeprefix("actionformer_")}'
]
PARTS = ('sensitivity', 'loss_contrast')
SHORT = 60  # steps of a video

spec = importlib.util.spec_from_file_location(
    'simulate', ROOT.parent / 'tools' / 'data' / 'simulate.py'
)
simulate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(simulate)


def name_of(path):
    return str(path.relative_to(ROOT))


@pytest.fixture(scope='module', autouse=True)
def _scope():
    with DefaultScope.overwrite_default_scope('mmaction'):
        yield


def kind(config):
    """What decides whether a long sequence goes through: encoder, positions, full attention."""
    neck = config.model.neck
    return neck.type, 'position_len' in config.model.projection, neck.get('window_size') is None


@pytest.fixture(scope='module')
def full_length():
    """Of the configs of a kind that are full ASL, the one with the longest crops; the narrowest."""
    best = {}
    for path in CONFIGS:
        config = Config.fromfile(path)
        if config.model.head.get('sensitivity'):
            steps = config.get('length') or config.max_len
            row = (steps, -config.model.projection.out_channels, path)
            best[kind(config)] = max(best.get(kind(config), row), row)
    return {path for *_, path in best.values()}


def make_data(config, root, train_steps):
    """Two simulated videos for a config's own datasets, at its feature width, files, classes."""
    dataset = config.train_dataloader.dataset
    grid = {'fps': 30, **dataset.grid}
    classes = [f'class {index}' for index in range(config.num_classes)]
    database = {}
    for subset, steps in (
        (dataset.subset, train_steps),
        (config.val_dataloader.dataset.subset, SHORT),
    ):
        duration = ((steps - 1) * grid['feat_stride'] + grid['clip_len']) / grid['fps']
        segments = [(0.1, 0.3), (0.25, 0.9), (0.5, 0.55)]
        database[f'{subset}_video'] = {
            'subset': subset,
            'duration': duration,
            'fps': grid['fps'],
            'annotations': [
                {'segment': [a * duration, b * duration], 'label': classes[-i % len(classes)]}
                for i, (a, b) in enumerate(segments)
            ],
        }
    content = {'classes': classes, 'database': database}
    simulate.simulate(Path('made for the test'), content, dataset, root, seed=0)
    (root / 'scores.json').write_text(json.dumps(simulate.simulated_scores(content, seed=0)))


def samples_of(dataloader, root):
    """All videos through the config's own dataset and pipeline."""
    dataset = DATASETS.build({**dataloader.dataset, 'data_root': str(root)})
    return pseudo_collate([dataset[index] for index in range(len(dataset))]), dataset.metainfo


def check_decay(model, optimizer):
    """Gaussians and flat parameters do not decay, all others do."""
    decay = {
        id(value): group['weight_decay']
        for group in optimizer.param_groups
        for value in group['params']
    }
    for name, value in model.named_parameters():
        if not value.requires_grad:  # fixed Gaussians
            continue
        exempt = value.dim() <= 1 or 'class_level' in name
        assert (decay[id(value)] == 0) == exempt, name
    assert max(decay.values()) > 0


@pytest.mark.parametrize('path', CONFIGS, ids=name_of)
def test_config_trains_a_step_and_predicts(path, full_length, tmp_path):
    """At its true width and classes; of each kind, one at the true length of a crop."""
    config = Config.fromfile(path)
    (max_len,) = (
        step.max_len
        for step in config.train_dataloader.dataset.pipeline
        if step.type == 'RandomTruncate'
    )
    make_data(config, tmp_path, max_len + 9 if path in full_length else SHORT)
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 (what the transforms draw from)
    model = MODELS.build(config.model)

    data, _ = samples_of(config.train_dataloader, tmp_path)
    if path in full_length and 'length' not in config:  # else resized, then cropped
        assert len(data['inputs'][0]) == max_len
    (sample,) = data['data_samples']
    assert sample.gt_instances.labels.max() < config.model.head.num_classes
    assert sample.scored_labels.max() == config.num_classes - 1
    optim_wrapper = build_optim_wrapper(model, config.optim_wrapper)
    check_decay(model, optim_wrapper.optimizer)
    log = model.train().train_step(data, optim_wrapper)
    assert all(value.isfinite() for value in log.values())
    assert log['loss_loc'] > 0  # the ranges and strides find positives
    for name, value in model.named_parameters():
        assert value.isfinite().all(), name

    data, metainfo = samples_of(config.val_dataloader, tmp_path)
    found = model.eval().val_step(data)
    metrics = [config.val_evaluator] if 'type' in config.val_evaluator else config.val_evaluator
    for settings in metrics:
        if 'score_fusion' in settings:
            settings.score_fusion.path = str(tmp_path / 'scores.json')
        metric = METRICS.build(settings)
        metric.dataset_meta = metainfo
        metric.process(data, [sample.to_dict() for sample in found])
        values = metric.evaluate(size=1)
        assert config.default_hooks.checkpoint.save_best in values


@pytest.mark.parametrize('path', CONFIGS, ids=name_of)
def test_sizes_agree(path):
    config = Config.fromfile(path)
    model = config.model
    head, neck = model.head, model.neck
    # The width is set once, as that of the projection.
    assert not {'channels', 'in_channels', 'feat_channels'} & {*neck, *head}
    assert len(head.strides) == len(head.regress_ranges) == neck.num_levels
    assert list(head.strides) == [2**level for level in range(neck.num_levels)]
    assert model.data_preprocessor.size_divisor == head.strides[-1]
    lows, highs = zip(*head.regress_ranges, strict=True)
    assert lows[0] == 0
    assert list(lows) == sorted(set(lows))
    assert list(highs) == sorted(set(highs))
    assert all(low <= high for low, high in zip(lows[1:], highs, strict=False))  # no gap
    assert highs[-1] >= 10000
    agnostic = [step.get('class_agnostic') for step in config.train_dataloader.dataset.pipeline]
    assert head.num_classes == (1 if any(agnostic) else config.num_classes)
    if model.projection.get('position_len'):
        assert model.projection.position_len == config.get('length', config.get('max_len'))
    assert config.auto_scale_lr.base_batch_size == config.train_dataloader.batch_size
    for name in ('train', 'val', 'test'):
        pipeline = config[f'{name}_dataloader'].dataset.pipeline
        widths = [step.feat_dim for step in pipeline if step.type == 'LoadFeature']
        assert widths == [sum(np.atleast_1d(model.projection.in_channels))]


def test_one_option_sets_the_width():
    config = load_config(ROOT / 'asl' / 'asl_demo.py', {'model.projection.out_channels': 16})
    model = MODELS.build(config.model)
    assert (model.neck.channels, model.head.in_channels) == (16, 16)
    assert model.head.cls_out.weight.shape[1] == 16


@pytest.mark.parametrize('path', CONFIGS, ids=name_of)
def test_config_is_what_a_runner_can_dump_and_read(path, tmp_path):
    config = Config.fromfile(path)
    assert config.default_scope == 'mmaction'
    assert 'asl_mmaction' in config.custom_imports['imports']
    config.dump(tmp_path / 'dumped.py')
    assert Config.fromfile(tmp_path / 'dumped.py').to_dict() == config.to_dict()


@pytest.mark.parametrize(
    ('base', 'module'),
    [
        ('asl/asl_demo.py', 'asl_mmaction'),
        ('mmaction/bmn_hapt.py', 'asl_mmaction.baselines'),
        ('mmaction/bsn_pem_hapt.py', 'asl_mmaction.baselines'),
        ('mmaction/bmn_activitynet13.py', 'asl_mmaction.baselines'),
    ],
)
def test_a_child_that_imports_modules_of_its_own_still_has_ours(
    base, module, tmp_path, monkeypatch
):
    """With any tool: mmaction2's import nothing of ours by themselves."""
    path = tmp_path / 'own.py'
    path.write_text(f"_base_ = ['{ROOT / base}']\ncustom_imports = dict(imports=['json'])\n")
    importlib.import_module(module)
    monkeypatch.delitem(sys.modules, module)
    assert Config.fromfile(path).custom_imports['imports'] == ['json']
    assert module in sys.modules


@pytest.mark.parametrize(('path', 'baseline'), FULL, ids=lambda path: path.stem)
def test_asl_without_its_parts_is_its_baseline(path, baseline):
    ours, theirs = Config.fromfile(path), Config.fromfile(baseline)
    theta = ours.model.neck.pop('theta', 0)
    parts = [part for part in PARTS if ours.model.head.pop(part, None)]
    if path.stem == 'asl_billboard':
        assert (theta, parts) == (0, ['sensitivity'])
    else:
        assert (theta > 0) == baseline.stem.startswith('actionformer_')
        assert parts == list(PARTS)
    ours.model.post_processor.pop('quality_power', None)  # of the sensitivity
    if 'type' in ours.model.head.assigner:  # other points: test_config_settings.py says which
        for name in ('assigner', 'regress_ranges'):
            ours.model.head[name] = theirs.model.head[name]
    assert ours.model == theirs.model
    for part in ('optim_wrapper', 'train_cfg', 'param_scheduler', 'train_dataloader'):
        assert ours[part] == theirs[part]  # the same budget and data


def test_names_are_lower_case_and_unique():
    names = [path.stem for path in FILES]
    assert [name for name in names if name != name.lower() or '-' in name] == []
    assert sorted(set(names)) == sorted(names)


def test_there_are_configs():
    assert {'asl_demo', 'asl_hapt', 'actionformer_hapt'} <= {path.stem for path in CONFIGS}
    assert {'asl_demo', 'asl_hapt', 'asl_tridet_hapt'} <= {path.stem for path, _ in FULL}


@pytest.mark.parametrize('path', BASES, ids=name_of)
def test_base_fragments(path):
    content = Config.fromfile(path)
    text = path.read_text()
    assert text.startswith('#')  # it says what it is
    kind = path.relative_to(ROOT / '_base_').parts[0]
    for base in re.findall(r"^_base_ = \['(.*)'\]$", text, flags=re.M):
        assert (path.parent / base).parent == path.parent  # and inherits from its own kind alone
    others = [p for p in BASES if p.relative_to(ROOT / '_base_').parts[0] != kind]
    for other in others:
        shared = content.keys() & Config.fromfile(other).keys()
        assert not shared, f'{path.name} and {other.name} both set {shared}'


@pytest.mark.parametrize('path', BASES, ids=name_of)
def test_a_base_sets_no_part_of_the_model_to_none(path):
    """A child could not merge its own dict over it."""

    def nones(value, where):
        if isinstance(value, dict):
            return [n for key, item in value.items() for n in nones(item, f'{where}.{key}')]
        return [where] if value is None else []

    found = nones(Config.fromfile(path).get('model', {}), 'model')
    slots = ('neck', 'head', 'sensitivity', 'loss_contrast', 'post_processor', 'projection')
    assert [where for where in found if where.split('.')[-1] in slots] == []


def test_every_base_is_used():
    text = '\n'.join(path.read_text() for path in FILES)
    inherited = {name.split('/')[-1] for name in re.findall(r"'([\w./]+\.py)'", text)}
    assert [name_of(path) for path in BASES if path.name not in inherited] == []
