import pytest
import torch
from mmaction.registry import DATASETS
from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from asl_mmaction.apis.datasets import agreed_settings, dataset_configs, find_datasets, is_a
from asl_mmaction.datasets import TALDataset
from asl_mmaction.datasets.transforms import LoadFeature


def concat(*parts):
    return {'type': 'ConcatDataset', 'datasets': list(parts)}


def repeat(part):
    return {'type': 'RepeatDataset', 'times': 2, 'dataset': part}


def balanced(part):
    return {'type': 'ClassBalancedDataset', 'oversample_thr': 0.5, 'dataset': part}


@pytest.fixture
def config(demo_data):
    """Function: the config of a part of the demo data."""

    def make(subset='training'):
        return {
            'type': 'TALDataset',
            'data_root': str(demo_data),
            'ann_file': 'annotations.json',
            'subset': subset,
        }

    return make


def build(config):
    with DefaultScope.overwrite_default_scope('mmaction'):
        return DATASETS.build(ConfigDict(config))


# Where each wrapper holds its datasets, written by hand: a is 'training', b is 'test'.
NESTED = [
    (lambda a, b: a, {'dataset': 'a'}),
    (lambda a, b: repeat(a), {'dataset.dataset': 'a'}),
    (lambda a, b: balanced(a), {'dataset.dataset': 'a'}),
    (lambda a, b: concat(a, b), {'dataset.datasets.0': 'a', 'dataset.datasets.1': 'b'}),
    (lambda a, b: concat(a), {'dataset.datasets.0': 'a'}),
    (
        lambda a, b: repeat(concat(balanced(a), concat(b, a))),
        {
            'dataset.dataset.datasets.0.dataset': 'a',
            'dataset.dataset.datasets.1.datasets.0': 'b',
            'dataset.dataset.datasets.1.datasets.1': 'a',
        },
    ),
]


@pytest.mark.parametrize(('wrap', 'expected'), NESTED)
def test_wrappers_are_seen_through_as_configs_and_built(config, wrap, expected):
    parts = {'a': config('training'), 'b': config('test')}
    wrapped = wrap(**parts)
    as_configs = find_datasets(Config({'dataset': wrapped}).dataset)
    assert as_configs == {key: parts[name] for key, name in expected.items()}
    built = find_datasets(build(wrapped))
    assert all(type(part) is TALDataset for part in built.values())
    subsets = {'a': ('training',), 'b': ('test',)}
    assert {key: part.subsets for key, part in built.items()} == {
        key: subsets[name] for key, name in expected.items()
    }


def test_a_config_of_built_datasets_and_wrappers_of_torch(config):
    a, b = build(config('training')), build(config('test'))
    found = find_datasets(concat(a, repeat(b)))
    assert found == {'dataset.datasets.0': a, 'dataset.datasets.1.dataset': b}
    subset = torch.utils.data.Subset(b, [0])
    joined = torch.utils.data.ConcatDataset([a, subset])
    assert list(find_datasets(joined).values()) == [a, b]


def test_a_loader_of_fewer_batches_is_seen_through(config):
    loader = {
        'dataset': concat(config('training'), config('test')),
        'sampler': {'type': 'DefaultSampler', 'shuffle': False},
        'batch_size': 1,
        'num_batch_per_epoch': 2,
    }
    with DefaultScope.overwrite_default_scope('mmaction'):
        dataset = Runner.build_dataloader(loader).dataset
    assert [part.subsets for part in find_datasets(dataset).values()] == [('training',), ('test',)]


def test_configs_of_a_loader(config):
    a, b = config('training'), config('test')
    loaders = {'train_dataloader': {'dataset': concat(a, b)}, 'val_dataloader': None}
    assert dataset_configs(loaders, 'train_dataloader') == {
        'train_dataloader.dataset.datasets.0': a,
        'train_dataloader.dataset.datasets.1': b,
    }
    assert dataset_configs(loaders, 'val_dataloader') == {}
    assert dataset_configs(loaders, 'test_dataloader') == {}
    with pytest.raises(ValueError, match='expected a dataset in test_dataloader but it has none'):
        dataset_configs({'test_dataloader': {'batch_size': 1}}, 'test_dataloader')
    built = {'test_dataloader': {'dataset': concat(a, build(b))}}
    message = (
        r'config of a dataset as test_dataloader\.dataset\.datasets\.1 but got one that is built '
        'already, of type TALDataset'
    )
    with pytest.raises(ValueError, match=message):
        dataset_configs(built, 'test_dataloader')


def test_a_type_is_a_name_with_or_without_scope_or_the_class():
    for kind in ('LoadFeature', 'mmaction.LoadFeature', LoadFeature):
        assert is_a({'type': kind}, 'LoadFeature')
    for kind in ('LoadFeatures', 'LoadFeature.x', dict):
        assert not is_a({'type': kind}, 'LoadFeature')
    assert not is_a({}, 'LoadFeature')
    assert is_a(LoadFeature(feat_dim=2), 'LoadFeature')


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'file': 'y'}, "the same file in all datasets but got 'x' in a and 'y' in b"),
        ({'grid': {'fps': 3}}, 'the same grid.fps in all datasets but got 2 in a and 3 in b'),
        ({'grid': {}}, 'the same grid.fps in all datasets but got 2 in a and None in b'),
        ({'grid': None}, r"the same grid in all datasets but got \{'fps': 2\} in a and None in b"),
        ({'steps': [{'n': 1}, {'n': 3}]}, 'the same steps.1.n in all datasets but got 2 in a'),
        ({'steps': [{'n': 1}]}, r"the same steps.1 in all datasets but got \{'n': 2\} in a and N"),
    ],
)
def test_the_first_difference_is_named(change, message):
    one = {'file': 'x', 'grid': {'fps': 2}, 'steps': [{'n': 1}, {'n': 2}], 'other': 1}
    names = ['file', 'grid', 'steps', 'none']
    expected = {name: one.get(name) for name in names}
    assert agreed_settings({'a': one}, names) == expected
    assert agreed_settings({'a': one, 'b': {**one, 'other': 2}}, names) == expected
    with pytest.raises(ValueError, match=message):
        agreed_settings({'a': one, 'b': {**one, **change}}, names)
