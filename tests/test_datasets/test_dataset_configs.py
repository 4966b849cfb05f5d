"""The dataset fragments of the benchmarks, on features that are simulated at their true width."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from mmaction.registry import DATASETS, METRICS
from mmengine.config import Config
from mmengine.registry import DefaultScope

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / 'configs' / '_base_' / 'datasets'
# Fragment -> feature width, classes, first subset of the test, rate of steps (1/s), tIoUs
EXPECTED = {
    'thumos14': (2048, 20, 'test', 7.5, (0.3, 0.7)),
    'multithumos': (1024, 65, 'test', 7.5, (0.1, 0.9)),
    'charades': (1024, 157, 'test', 3.0, (0.1, 0.9)),
    'ego4d': (4096, 110, 'validation', 1.875, (0.1, 0.5)),
    'epic100_verb': (2304, 97, 'validation', 1.875, (0.1, 0.5)),
    'epic100_noun': (2304, 300, 'validation', 1.875, (0.1, 0.5)),
    'activitynet13': (512, 200, 'validation', 15 / 16, (0.5, 0.95)),
    'activitynet12': (2048, 100, 'validation', 25 / 16, (0.5, 0.95)),
    'hacs': (2304, 200, 'validation', 15 / 8, (0.5, 0.95)),
}
# What every fragment defines, and how the names of some differ from that
NAMES = {
    *('data_root', 'ann_file', 'feature_file', 'feat_dim', 'num_classes', 'grid'),
    *('max_len', 'crop_ratio', 'min_overlap', 'train_subset', 'test_subset'),
    *('train_batch_size', 'test_batch_size', 'tiou_thresholds'),
    *('dataset_type', 'data', 'load_feature', 'train_pipeline', 'test_pipeline'),
    *('train_dataloader', 'val_dataloader', 'test_dataloader', 'val_evaluator', 'test_evaluator'),
}
OTHER_NAMES = {
    'activitynet13': {'max_len', 'length', 'missing_videos'},
    'activitynet12': {'max_len', 'length', 'missing_videos', 'resize'},
    'hacs': {'missing_videos'},
    'context_demo': {'num_workers'},
    'hapt_clips': {'num_workers'},
    'billboard': {'num_workers'},
    'demo': {'num_workers'},
    'hapt': {'num_workers'},
    'ego4d': {'sources', 'recall_multiples'},
    'multithumos': {'file_dim', 'channels'},
    'thumos14': {'exclude_videos'},
}
FRAGMENTS = sorted({*FOLDER.glob('*.py')} - {FOLDER / 'feature_dataset.py'})


def load_tool(path):
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


check = load_tool('tools/data/check.py')
simulate = load_tool('tools/data/simulate.py')


@pytest.fixture(params=EXPECTED)
def name(request):
    return request.param


@pytest.fixture
def simulated(name, tmp_path):
    """A config with simulated data of two videos for each subset."""
    config = Config.fromfile(FOLDER / f'{name}.py')
    num_classes, subset = EXPECTED[name][1:3]
    classes = [f'class {index}' for index in range(num_classes)]
    database = {
        f'{part}_{index}': {
            'subset': part,
            'duration': 60.0 + index,
            'fps': 30.0,
            'annotations': [
                {'segment': [5.0, 25.0], 'label': classes[0]},
                {'segment': [20.0, 41.5], 'label': classes[-1]},
            ],
        }
        for part in ('training', subset)
        for index in range(2)
    }
    annotations = tmp_path / 'given.json'
    annotations.write_text(json.dumps({'classes': classes, 'database': database}))
    out = tmp_path / 'out'
    argv = [str(FOLDER / f'{name}.py'), '--annotations', str(annotations), '--out', str(out)]
    assert simulate.main(argv) == 0
    for loader in ('train', 'val', 'test'):
        config[f'{loader}_dataloader'].dataset.data_root = str(out)
    return config


def test_fragment(name, simulated, tmp_path, capsys):
    width, num_classes, subset, rate, tious = EXPECTED[name]
    assert simulated.num_classes == num_classes
    assert (simulated.tiou_thresholds[0], simulated.tiou_thresholds[-1]) == tious
    with DefaultScope.overwrite_default_scope('mmaction'):
        METRICS.build(simulated.val_evaluator)
        for loader, part in (('train', 'training'), ('val', subset)):
            dataset = DATASETS.build(simulated[f'{loader}_dataloader'].dataset)
            assert dataset.metainfo['simulated'] is True
            assert len(dataset.metainfo['classes']) == num_classes
            assert [dataset.get_data_info(i)['video_name'] for i in (0, 1)] == [
                f'{part}_0',
                f'{part}_1',
            ]
            packed = dataset[1]
            sample = packed['data_samples']
            steps = simulated.get('length', round(61 * rate))
            low = 0.85 if loader == 'train' else 0.93  # crops; the last clips
            assert low * steps <= len(packed['inputs']) <= steps + 1
            assert packed['inputs'].shape[1] == width
            seconds = sample.grid.to_seconds(sample.gt_instances.segments.double().numpy())
            if loader == 'val':
                np.testing.assert_allclose(seconds, [[5, 25], [20, 41.5]], atol=1e-4)
    path = tmp_path / 'config.py'
    simulated.dump(path)
    assert check.main([str(path)]) == 0, capsys.readouterr().out


def test_it_says_that_it_is_simulated(name, simulated):
    root = Path(simulated.train_dataloader.dataset.data_root)
    content = json.loads((root / simulated.ann_file).read_text())
    assert 'SIMULATED' in content['version']
    assert content['simulated']['seed'] == 0
    assert (root / 'features' / 'SIMULATED.txt').is_file()


@pytest.mark.parametrize('path', FRAGMENTS, ids=lambda path: path.stem)
def test_all_fragments_define_the_same_names_and_use_them(path):
    config = Config.fromfile(path)
    assert set(config) ^ NAMES == OTHER_NAMES.get(path.stem, set())
    for loader, kind in (('train', 'train'), ('val', 'test'), ('test', 'test')):
        dataset = config[f'{loader}_dataloader'].dataset
        assert dataset.pipeline == config[f'{kind}_pipeline']
        assert dataset.pipeline[0] == config.load_feature
        assert dataset.subset == config[f'{kind}_subset']
        for name in ('data_root', 'ann_file', 'feature_file', 'grid'):
            assert dataset[name] == config[name]
    (crop,) = (step for step in config.train_pipeline if step.type == 'RandomTruncate')
    assert (crop.crop_ratio, crop.min_overlap) == (config.crop_ratio, config.min_overlap)


def test_recall_of_ego4d_by_hand():
    """Moments Queries asks for Recall@1x at tIoU 0.5 beside mAP; here of two classes of 110."""
    config = Config.fromfile(FOLDER / 'ego4d.py')
    with DefaultScope.overwrite_default_scope('mmaction'):
        metric = METRICS.build(config.test_evaluator)
    metric.dataset_meta = {'classes': [f'class {index}' for index in range(config.num_classes)]}
    # Class 0: one of its two ground truths is among the two best, both are among the ten best.
    # Class 1: found, but with tIoU 0.4
    found = [(0, 8, 0.9, 0), (50, 60, 0.8, 0), (20, 30, 0.7, 0), (0, 4, 0.9, 1)]
    sample = {
        'video_name': 'a',
        'scored_segments': [(0, 10), (20, 30), (0, 10)],
        'scored_labels': [0, 0, 1],
        'pred_instances': {
            'segments': [row[:2] for row in found],
            'scores': [row[2] for row in found],
            'labels': [row[3] for row in found],
        },
    }
    metric.process(None, [sample])
    values = metric.evaluate(1)
    recalls = {name: value for name, value in values.items() if name.startswith('Recall')}
    assert recalls == {'Recall@1x@0.50': (1 / 2 + 0) / 2, 'Recall@5x@0.50': (2 / 2 + 0) / 2}
    assert values['mAP@0.50'] == pytest.approx((1 / 2 * 1 + 1 / 2 * 2 / 3) / 2)
