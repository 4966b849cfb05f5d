"""Every config builds, trains a step and predicts; the base fragments can be combined."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmaction.registry import DATASETS, METRICS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

import asl_mmaction  # noqa: F401

ROOT = Path(__file__).parents[1] / 'configs'
FILES = sorted(ROOT.rglob('*.py'))
BASES = [path for path in FILES if '_base_' in path.parts]
# mmaction2's own localizers have their own tests, in tests/test_models/test_baselines.
CONFIGS = [path for path in FILES if path not in BASES and path.parent.name != 'mmaction']
BASELINES = [path for path in CONFIGS if path.stem.startswith(('actionformer_', 'tridet_'))]
# The full method and its baseline on the same data; component rows have no baseline of their name.
FULL = [
    (path, baseline)
    for baseline in BASELINES
    for path in CONFIGS
    if path.stem == f'asl_{baseline.stem.removeprefix("actionformer_")}'
]


def name_of(path):
    return str(path.relative_to(ROOT))


@pytest.fixture(scope='module', autouse=True)
def _scope():
    with DefaultScope.overwrite_default_scope('mmaction'):
        yield


@pytest.fixture(scope='module')
def tiny_data(tmp_path_factory):
    """Function: a folder with two random videos of this feature width and number of classes."""

    def make(width, num_classes, grid):
        root = tmp_path_factory.mktemp('data')
        (root / 'features').mkdir()
        classes = [f'class {index}' for index in range(num_classes)]
        step, half_clip = (grid[key] / grid['fps'] for key in ('feat_stride', 'clip_len'))
        database = {}
        for video, steps in (('long', 60), ('short', 23)):
            feature = np.random.default_rng(steps).normal(size=(steps, width))
            np.save(root / 'features' / f'{video}.npy', feature.astype(np.float32))
            segments = [(0.1, 0.3), (0.25, 0.9), (0.5, 0.55)]
            duration = steps * step + half_clip
            database[video] = {
                'subset': 'any',
                'duration': duration,
                'annotations': [
                    {'segment': [a * duration, b * duration], 'label': classes[i % num_classes]}
                    for i, (a, b) in enumerate(segments)
                ],
            }
        content = {'classes': classes, 'database': database}
        (root / 'annotations.json').write_text(json.dumps(content))
        return root

    return make


def samples_of(dataloader, root):
    """Both videos through the config's own dataset and pipeline."""
    dataset = dict(dataloader.dataset)
    dataset.update(data_root=str(root), ann_file='annotations.json', subset='any')
    dataset.update(data_prefix={'feature': 'features'}, feature_file='{video}.npy')
    dataset = DATASETS.build(dataset)
    return pseudo_collate([dataset[index] for index in range(len(dataset))]), dataset.metainfo


@pytest.mark.parametrize('path', CONFIGS, ids=name_of)
def test_config_trains_a_step_and_predicts(path, tiny_data):
    config = Config.fromfile(path)
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 (what the transforms draw from)
    model = MODELS.build(config.model)
    width = sum(np.atleast_1d(config.model.projection.in_channels))
    head = config.model.head
    root = tiny_data(width, head.num_classes, config.train_dataloader.dataset.grid)

    data, _ = samples_of(config.train_dataloader, root)
    assert len(data['inputs']) == 2
    optim_wrapper = build_optim_wrapper(model, config.optim_wrapper)
    log = model.train().train_step(data, optim_wrapper)
    assert all(value.isfinite() for value in log.values())
    assert log['loss_loc'] > 0  # the ranges and strides find positives
    for name, value in model.named_parameters():
        assert value.isfinite().all(), name

    data, metainfo = samples_of(config.val_dataloader, root)
    found = model.eval().val_step(data)
    metrics = [config.val_evaluator] if 'type' in config.val_evaluator else config.val_evaluator
    for settings in metrics:
        metric = METRICS.build(settings)
        metric.dataset_meta = metainfo
        metric.process(data, [sample.to_dict() for sample in found])
        values = metric.evaluate(size=2)
        assert config.default_hooks.checkpoint.save_best in values


@pytest.mark.parametrize('path', CONFIGS, ids=name_of)
def test_sizes_agree(path):
    config = Config.fromfile(path)
    model = config.model
    head, neck = model.head, model.neck
    assert model.projection.out_channels == neck.channels == head.in_channels
    assert len(head.strides) == len(head.regress_ranges) == neck.num_levels
    assert list(head.strides) == [2**level for level in range(neck.num_levels)]
    assert model.data_preprocessor.size_divisor == head.strides[-1]
    bounds = [value for bounds in head.regress_ranges for value in bounds]
    assert bounds[0] == 0
    assert bounds[1:-1:2] == bounds[2::2]  # no gap, no overlap
    for name in ('train', 'val', 'test'):
        pipeline = config[f'{name}_dataloader'].dataset.pipeline
        widths = [step.feat_dim for step in pipeline if step.type == 'LoadFeature']
        assert widths == [sum(np.atleast_1d(model.projection.in_channels))]


@pytest.mark.parametrize('path', CONFIGS, ids=name_of)
def test_config_is_what_a_runner_can_dump_and_read(path, tmp_path):
    config = Config.fromfile(path)
    assert config.default_scope == 'mmaction'
    assert 'asl_mmaction' in config.custom_imports['imports']
    config.dump(tmp_path / 'dumped.py')
    assert Config.fromfile(tmp_path / 'dumped.py').to_dict() == config.to_dict()


@pytest.mark.parametrize('path', CONFIGS, ids=name_of)
def test_gaussians_and_flat_parameters_do_not_decay(path):
    config = Config.fromfile(path)
    model = MODELS.build(config.model)
    optimizer = build_optim_wrapper(model, config.optim_wrapper).optimizer
    decay = {
        id(value): group['weight_decay']
        for group in optimizer.param_groups
        for value in group['params']
    }
    for name, value in model.named_parameters():
        exempt = value.dim() <= 1 or 'class_level' in name
        assert (decay[id(value)] == 0) == exempt, name
    assert max(decay.values()) > 0


@pytest.mark.parametrize(('path', 'baseline'), FULL, ids=lambda path: path.stem)
def test_asl_without_its_parts_is_its_baseline_to_the_bit(path, baseline):
    ours, theirs = Config.fromfile(path), Config.fromfile(baseline)
    assert 'sensitivity' in ours.model.head
    if baseline.stem.startswith('actionformer_'):
        assert ours.model.neck.theta > 0
        ours.model.neck.theta = 0.0
    ours.model.head.sensitivity = ours.model.head.loss_contrast = None
    states = []
    for config in (ours, theirs):
        torch.manual_seed(0)
        states.append(MODELS.build(config.model).state_dict())
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())
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
    assert '_base_ =' not in text  # a fragment stands alone
    assert text.startswith('#')  # and says what it is
    kind = path.relative_to(ROOT / '_base_').parts[0]
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
    text = '\n'.join(path.read_text() for path in CONFIGS)
    unused = [name_of(path) for path in BASES if name_of(path) not in text]
    # Those of the benchmarks are built and loaded by test_datasets/test_dataset_configs.py.
    assert [name for name in unused if not name.startswith('_base_/datasets/')] == []
