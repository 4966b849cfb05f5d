"""The configs of BackTAL: the paper's numbers, and a step of training and of prediction each."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from mmaction.registry import DATASETS, METRICS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

from asl_mmaction.apis import load_config
from asl_mmaction.datasets.preparation.click_simulation import ClickRule, simulate_clicks
from asl_mmaction.files.clicks import write_click_file

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / 'configs' / 'backtal'
CONFIGS = sorted(FOLDER.glob('*.py'))
#: Section 2 of the paper's settings: lr, batch, epochs, r, r' and weight of the separation, T,
#: sparsity, classes, class threshold, number of thresholds, outer ratio, video weight, NMS.
PAPER = {
    'thumos14': (1e-4, 16, 40, 0.125, 0.125, 1.0, 750, 0.075, 20, 0.25, 10, 0.25, 0.2, 0.55),
    'activitynet12': (2e-4, 128, 25, 0.6, 0.2, 0.1, 100, 0.01, 100, 0.1, 6, 20.0, 0.6, 0.7),
    'hacs': (1e-4, 64, 8, 0.6, 0.2, 0.1, 200, 0.02, 200, 0.075, 8, 200.0, 0.6, 0.71),
}

spec = importlib.util.spec_from_file_location('simulate', ROOT / 'tools' / 'data' / 'simulate.py')
simulate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(simulate)


def data_of(path):
    return path.stem.removeprefix('backtal_')


@pytest.fixture(autouse=True)
def _scope():
    with DefaultScope.overwrite_default_scope('mmaction'):
        yield


@pytest.mark.parametrize('name', PAPER)
def test_the_papers_setting(name):
    config = load_config(FOLDER / f'backtal_{name}.py')
    model = MODELS.build(config.model)
    head, post = model.head, model.post_processor
    optimizer = config.optim_wrapper.optimizer
    found = (
        optimizer.lr,
        config.train_dataloader.batch_size,
        config.train_cfg.max_epochs,
        head.topk_ratio,
        head.loss_separation.ratio,
        head.loss_separation.loss_weight,
        next(s.length for s in config.train_dataloader.dataset.pipeline if 'length' in s),
        head.sparsity_weight,
        head.num_classes,
        post.class_threshold,
        len(post.thresholds),
        post.outer_ratio,
        post.video_score_weight,
        post.nms_options['iou_threshold'],
    )
    assert found == PAPER[name]
    assert head.sparsity_weight == pytest.approx(1e-4 * found[6])
    assert (optimizer.type, optimizer.weight_decay) == ('Adam', 5e-4)
    assert tuple(optimizer.betas) == (0.9, 0.999)
    assert config.param_scheduler == []
    assert 'clip_grad' not in config.optim_wrapper
    assert config.default_hooks.ema is None
    assert (head.conv1.weight.shape, head.dropout.p) == ((2048, 2048, 3), 0.7)
    loss = head.loss_affinity
    assert (loss.same_margin, loss.different_margin, loss.loss_weight) == (0.5, 0.1, 0.8)
    assert loss.ratio == head.topk_ratio
    assert list(post.thresholds) == pytest.approx([0.025 * i for i in range(found[10])])
    is_thumos = name == 'thumos14'
    assert len(post.magnitude_thresholds) == (7 if is_thumos else 0)
    assert (post.whole_video_score, post.shrink) == ((None, 0.0) if is_thumos else (0.6, 0.02))


def make_data(config, root):
    """Two simulated videos of the config's widths and classes, and their clicks."""
    dataset = config.train_dataloader.dataset
    classes = [f'class {index}' for index in range(config.num_classes)]
    database = {}
    for subset in (dataset.subset, config.val_dataloader.dataset.subset):
        database[f'{subset}_video'] = {
            'subset': subset,
            'duration': 40.0,
            'fps': 30.0,
            'annotations': [
                {'segment': [4.0, 12.0], 'label': classes[0]},
                {'segment': [20.0, 30.0], 'label': classes[-1]},
            ],
        }
    content = {'classes': classes, 'database': database}
    simulate.simulate(Path('made for the test'), content, dataset, root, seed=0)
    training = {f'{dataset.subset}_video': database[f'{dataset.subset}_video']}
    clicks = simulate_clicks(training, ClickRule())
    write_click_file(root / dataset.click_file, clicks, source='x', simulated={})


def samples_of(dataloader, root):
    dataset = DATASETS.build({**dataloader.dataset, 'data_root': str(root)})
    return pseudo_collate([dataset[index] for index in range(len(dataset))]), dataset.metainfo


@pytest.mark.parametrize('path', CONFIGS, ids=data_of)
def test_config_trains_a_step_and_predicts(path, tmp_path):
    """At its own widths but for those inside the head, which are small here."""
    small = {f'model.head.{name}': 16 for name in ('channels', 'filter_channels')}
    small |= {'model.head.affinity.hidden_channels': 16}
    config = load_config(path, small)
    make_data(config, tmp_path)
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    data, _ = samples_of(config.train_dataloader, tmp_path)
    assert len(data['inputs'][0]) == config.get('length', len(data['inputs'][0]))
    assert len(data['data_samples'][0].gt_clicks) == 3
    before = {name: value.clone() for name, value in model.named_parameters()}
    log = model.train().train_step(data, build_optim_wrapper(model, config.optim_wrapper))
    assert set(log) == {
        'loss', 'loss_base', 'loss_supp', 'loss_sparsity', 'loss_click', 'loss_separation',
        'loss_affinity',
    }  # fmt: skip
    assert all(value.isfinite() for value in log.values())
    for name, value in model.named_parameters():
        assert value.isfinite().all()
        assert not torch.equal(value, before[name]), name

    data, metainfo = samples_of(config.val_dataloader, tmp_path)
    found = model.eval().val_step(data)
    assert len(found[0].pred_instances.scores)
    metric = METRICS.build(config.val_evaluator)
    metric.dataset_meta = metainfo
    metric.process(data, [sample.to_dict() for sample in found])
    assert 'mAP' in metric.evaluate(size=1)


@pytest.mark.parametrize('path', CONFIGS, ids=data_of)
def test_config_is_what_a_runner_can_dump_and_read(path, tmp_path):
    config = Config.fromfile(path)
    config.dump(tmp_path / 'dumped.py')
    assert Config.fromfile(tmp_path / 'dumped.py').to_dict() == config.to_dict()
    assert config.auto_scale_lr.base_batch_size == config.train_dataloader.batch_size
    for name in ('train', 'val', 'test'):
        (load, *_) = config[f'{name}_dataloader'].dataset.pipeline
        assert load.feat_dim == config.model.head.in_channels
    assert config.model.head.num_classes == config.num_classes
    assert not config.train_dataloader.dataset.filter_cfg


def test_metafile_names_each_config():
    models = yaml.safe_load((FOLDER / 'metafile.yml').read_text())['Models']
    assert [model['Name'] for model in models] == sorted(path.stem for path in CONFIGS)
    assert json.loads(json.dumps(models)) == models


def test_no_slot_is_basnet():
    """The rows of the ablation take slots away by one option each."""
    slots = ('affinity', 'loss_click', 'loss_separation', 'loss_affinity')
    options = {f'model.head.{slot}': None for slot in slots}
    options |= {'train_dataloader.dataset.supervision': 'video'}
    options |= {'train_dataloader.dataset.click_file': None}
    config = load_config(FOLDER / 'backtal_context_demo.py', options)
    head = MODELS.build(config.model).head
    assert [getattr(head, slot) for slot in slots] == [None] * 4
    assert np.prod(head.conv1.weight.shape) == 32 * 16 * 3
