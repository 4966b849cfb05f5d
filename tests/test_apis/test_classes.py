"""A label means one class wherever it is used."""

from types import SimpleNamespace

import pytest
from mmengine.config import Config
from mmengine.dataset import Compose, ConcatDataset

from asl_mmaction.apis import find_classes
from asl_mmaction.apis.classes import check_classes, classes_of, model_classes
from asl_mmaction.datasets import TALDataset
from asl_mmaction.datasets.transforms import PackTALInputs


def test_class_names_are_the_checkpoints_before_the_configs():
    config = Config({'test_dataloader': {'dataset': {'metainfo': {'classes': ['c', 'd']}}}})
    assert find_classes(config, {'meta': {'dataset_meta': {'classes': ('a', 'b')}}}) == ('a', 'b')
    assert find_classes(config, {}) == ('c', 'd')
    with pytest.raises(ValueError, match=r'expected class names .* but got none'):
        find_classes(Config({}), {'meta': {}})


def test_class_names_of_several_test_datasets():
    def config(*parts):
        datasets = [{'metainfo': metainfo} for metainfo in parts]
        joined = {'type': 'ConcatDataset', 'datasets': datasets}
        return Config({'test_dataloader': {'dataset': joined}})

    assert find_classes(config({'classes': ['a', 'b']}, {'classes': ['a', 'b']}), {}) == ('a', 'b')
    other = config({'classes': ['a', 'b']}, {'classes': ['b', 'a']})
    message = (
        r"the same classes.0 in all datasets but got 'a' in test_dataloader\.dataset\.datasets\.0 "
        r"and 'b' in test_dataloader\.dataset\.datasets\.1"
    )
    with pytest.raises(ValueError, match=message):
        find_classes(other, {})
    assert find_classes(other, {'meta': {'dataset_meta': {'classes': ('b', 'a')}}}) == ('b', 'a')
    with pytest.raises(ValueError, match=r'expected class names .* but got none'):
        find_classes(config(None, None), {})


def with_classes(count):
    return Config({'model': {'head': {'num_classes': count}}})


def packing(*datasets):
    """A model of one class, and training data packed with the settings of each dataset."""
    load = {'type': 'LoadFeature', 'feat_dim': 2}
    parts = [{'pipeline': [load, {'type': 'PackTALInputs', **settings}]} for settings in datasets]
    joined = {'type': 'ConcatDataset', 'datasets': parts}
    repeated = {'type': 'RepeatDataset', 'times': 2, 'dataset': joined}
    return Config({**with_classes(1), 'train_dataloader': {'dataset': repeated}})


AGNOSTIC = {'class_agnostic': True}


def built(settings):
    """The same, of a dataset that is built already."""
    pipeline = Compose([PackTALInputs(**settings)])
    dataset = SimpleNamespace(pipeline=pipeline)
    return Config({**with_classes(1), 'train_dataloader': {'dataset': dataset}})


@pytest.mark.parametrize(
    ('config', 'others', 'message'),
    [
        (with_classes(3), ('a', 'c', 'b'), r"y but got 3, of which number 1 is 'c' instead of 'b'"),
        (with_classes(3), ['a', 'b', 'x'], r"of a, in that order, in y .* 2 is 'x' instead of 'c'"),
        (with_classes(3), ('a', 'b'), r'expected 3 classes \(model.head.num_classes\) .* 2 in y'),
        (with_classes(4), None, r'expected 4 classes .* but got 3 in a'),
        (
            packing(AGNOSTIC, {}),
            ['x'],
            r'with class_agnostic=True .* of one class .* data of 3 classes',
        ),
        (packing({'type': PackTALInputs}), ['x'], 'with class_agnostic=True in the training'),
        (built({}), ['x'], 'with class_agnostic=True in the training pipeline'),
        (Config(), ('a', 'b', 'c', 'd'), r"got 4, of which number 3 is 'd' instead of None"),
    ],
)
def test_classes_that_differ_are_named(config, others, message):
    with pytest.raises(ValueError, match=message) as info:
        check_classes(config, {'a': ('a', 'b', 'c'), 'n': None, 'y': others})
    assert '\n' not in str(info.value)


@pytest.mark.parametrize(
    ('config', 'others'),
    [
        (with_classes(3), ['a', 'b', 'c']),
        (with_classes(3), None),
        (with_classes(1), ['x']),  # class-agnostic
        (packing(AGNOSTIC, AGNOSTIC), ['x']),
        (built(AGNOSTIC), ['x']),
        (Config({'model': {'type': 'WindowedBMN'}}), ['x']),  # proposals
        (Config({'model': {'head': None}}), ['x']),
    ],
)
def test_classes_that_agree_or_do_not_matter(config, others):
    check_classes(config, {'a': ('a', 'b', 'c'), 'y': others})


def test_the_classes_of_a_model_are_as_many_as_it_has():
    content = {'meta': {'dataset_meta': {'classes': ('a', 'b')}}}
    assert model_classes(with_classes(2), content, 'x.pth') == ('a', 'b')
    assert model_classes(with_classes(1), content, 'x.pth') == ('action',)
    one = {'meta': {'dataset_meta': {'classes': ('a',)}}}
    assert model_classes(with_classes(1), one, 'x.pth') == ('a',)
    with pytest.raises(ValueError, match=r'expected 3 classes .* got 2 in the names for .* x\.pth'):
        model_classes(with_classes(3), content, 'x.pth')


def test_the_classes_of_every_dataset_of_a_loop_are_compared(demo_data):
    def part(subset, **settings):
        path = str(demo_data / 'annotations.json')
        prefix = {'feature': str(demo_data / 'features')}
        return TALDataset(path, subset=subset, data_prefix=prefix, **settings)

    one = part('training')
    names = one.metainfo['classes']
    other = part('test', metainfo={'classes': names[::-1]})
    joined = ConcatDataset([one, other], ignore_keys=['classes'])
    loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=joined))
    classes = classes_of('train', loop)
    assert list(classes.values()) == [names, names[::-1]]
    with pytest.raises(ValueError, match=r'annotations\.json \(dataset\.datasets\.1\)'):
        check_classes(Config(), classes)
    assert classes_of('val', None) == {}
