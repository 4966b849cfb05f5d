import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset, ConcatDataset

from asl_mmaction.cli.checks import loops
from asl_mmaction.cli.checks.loops import check_loops
from asl_mmaction.datasets import TALDataset
from asl_mmaction.evaluation.metrics import AverageRecallMetric, TALMetric

#: subset -> videos by name, each with its labels; 'b' of the second file is a name of the first.
VIDEOS = {
    'training': {'a': ['run'], 'b': ['jump', 'run']},
    'validation': {'c': ['run'], 'd': []},
    'testing': {'e': [], 'f': []},
    'empty': {'g': []},
}


@pytest.fixture
def make(tmp_path):
    """Function: a dataset of some subsets, from a file of its own name."""

    def build(*subsets, file='ann.json', **settings):
        (tmp_path / 'features').mkdir(exist_ok=True)
        database = {}
        for subset, videos in VIDEOS.items():
            for name, labels in videos.items():
                items = [{'segment': [1, 2], 'label': label} for label in labels]
                database[name] = {'subset': subset, 'duration': 9.0, 'annotations': items}
                np.save(tmp_path / 'features' / f'{name}.npy', np.zeros((5, 3), np.float32))
        content = {'database': database, **settings.pop('content', {})}
        (tmp_path / file).write_text(json.dumps(content))
        grid = {'fps': 10, 'feat_stride': 4, 'clip_len': 8}
        return TALDataset(file, data_root=str(tmp_path), subset=subsets, grid=grid, **settings)

    return build


@pytest.fixture
def warnings(monkeypatch):
    lines = []
    monkeypatch.setattr(loops, 'print_log', lambda text, **_: lines.append(text))
    return lines


def loop(dataset, *metrics):
    evaluator = SimpleNamespace(metrics=metrics)
    return SimpleNamespace(dataloader=SimpleNamespace(dataset=dataset), evaluator=evaluator)


def test_sound_data_and_no_loop(make, warnings):
    train, test = loop(make('training')), loop(make('validation'), TALMetric([0.5]))
    check_loops(train=train, val=test, test=None)
    check_loops(test=test)
    assert not warnings


@pytest.mark.parametrize('metric', [TALMetric([0.5]), AverageRecallMetric()])
@pytest.mark.parametrize(
    ('name', 'way_out'), [('val', '--no-validate trains without'), ('test', '--out DIR writes the')]
)
def test_a_test_without_annotations_is_refused(make, tmp_path, metric, name, way_out):
    message = (
        rf'expected annotated actions to score with {type(metric).__name__} but got none in '
        rf'{tmp_path}/ann\.json \(subset testing\); {way_out}'
    )
    with pytest.raises(ValueError, match=message) as error:
        check_loops(**{name: loop(make('testing'), metric)})
    assert '\n' not in str(error.value)


def test_without_annotations_detections_may_be_written(make, tmp_path, warnings):
    metric = TALMetric([0.5], out_dir=str(tmp_path / 'out'))
    check_loops(test=loop(ConcatDataset([make('testing'), make('empty')]), metric))
    assert warnings == [
        'TALMetric: nothing to score, since there are no annotated actions in '
        f'{tmp_path}/ann.json (subset testing) and {tmp_path}/ann.json (subset empty): detections '
        f'are written into {tmp_path}/out'
    ]


def test_excluded_videos_are_not_scored(make):
    check_loops(test=loop(make('validation'), TALMetric([0.5], exclude_videos=['d'])))
    for excluded in (['c'], ['c', 'd']):
        with pytest.raises(ValueError, match='expected annotated actions to score'):
            check_loops(test=loop(make('validation'), TALMetric([0.5], exclude_videos=excluded)))


def test_a_subset_without_annotations_among_others_is_warned_of(make, tmp_path, warnings):
    metric = TALMetric([0.5])
    check_loops(
        train=loop(make('training', 'empty')), test=loop(make('validation', 'testing'), metric)
    )
    assert warnings == [
        f'no annotated actions in {tmp_path}/ann.json (subset empty): these videos are trained on '
        'as background',
        f'no annotated actions in {tmp_path}/ann.json (subset testing): these videos count: all '
        'that is found there is wrong',
    ]
    warnings.clear()
    check_loops(train=loop(make('training', 'empty', filter_cfg={'filter_empty': True})))
    assert not warnings


def test_a_training_without_annotations_is_refused(make, tmp_path):
    message = rf'expected actions to train on but got none in {tmp_path}/ann\.json \(subset testing'
    with pytest.raises(ValueError, match=message):
        check_loops(train=loop(make('testing')))


def test_a_video_name_in_two_datasets_of_a_test(make):
    parts = [make('training'), make('validation'), make('training', file='other.json')]
    check_loops(train=loop(ConcatDataset(parts)))
    message = (
        "since results go by name, but got 'a' in test_dataloader.dataset.datasets.0 and in "
        'test_dataloader.dataset.datasets.2'
    )
    with pytest.raises(ValueError, match=message):
        check_loops(test=loop(ConcatDataset(parts)))


def test_classes_in_another_order_are_no_matter_where_none_are_scored(make):
    other = make('validation', metainfo={'classes': ['run', 'jump']})
    joined = ConcatDataset([make('training'), other], ignore_keys=['classes'])
    check_loops(train=loop(joined), test=loop(joined, AverageRecallMetric()))
    with pytest.raises(
        ValueError, match=r"the same classes\.0 in all .* but got 'jump' in .* 'run'"
    ):
        check_loops(test=loop(joined, TALMetric([0.5])))


def test_simulated_features_are_not_hidden_behind_real_ones(make):
    simulated = make('validation', file='other.json', content={'simulated': {'seed': 0}})
    joined = ConcatDataset([make('training'), simulated], ignore_keys=['simulated'])
    with pytest.raises(ValueError, match='the same simulated in all datasets but got None'):
        check_loops(train=loop(joined))


def test_a_wrapper_has_to_pass_the_class_names_on(make):
    subset = torch.utils.data.Subset(make('training'), [0])
    with pytest.raises(ValueError, match=r'expected a dataset with metainfo, .* but got a Subset'):
        check_loops(train=loop(subset))
    with pytest.raises(ValueError, match='in val_dataloader but got a ConcatDataset without'):
        check_loops(val=loop(torch.utils.data.ConcatDataset([subset]), TALMetric([0.5])))


def test_data_of_others_pass(warnings):
    class Plain(torch.utils.data.Dataset):
        def __len__(self):
            return 1

    class Other(BaseDataset):
        def load_data_list(self):
            return [{'a': 1}]

    for dataset in (Plain(), Other()):
        check_loops(train=loop(dataset), test=loop(dataset, TALMetric([0.5])))
    assert not warnings


def test_a_metric_does_not_take_the_place_of_another(make, tmp_path):
    data = make('validation')
    recall = AverageRecallMetric(out_dir=str(tmp_path))
    first = TALMetric([0.5], out_dir=str(tmp_path))
    check_loops(test=loop(data, first, recall, TALMetric([0.5], prefix='p')))
    with pytest.raises(ValueError, match=r'a name of its own, .* but got mAP twice'):
        check_loops(test=loop(data, first, TALMetric([0.7])))
    second = TALMetric([0.5], out_dir=str(tmp_path), prefix='p')
    message = rf'an out_dir of its own for each TALMetric of val_evaluator but got {tmp_path} twice'
    with pytest.raises(ValueError, match=message):
        check_loops(val=loop(data, first, second))
