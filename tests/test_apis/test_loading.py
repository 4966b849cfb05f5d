import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, ConcatDataset

from asl_mmaction.apis.loading import (
    check_classes,
    classes_of,
    dataset_meta,
    find_classes,
    load_checkpoint,
    load_config,
    load_weights,
    read_class_gaussians,
)
from asl_mmaction.datasets import TALDataset
from asl_mmaction.datasets.transforms import PackTALInputs
from asl_mmaction.models.sensitivity import ClassSensitivity


def test_a_config_comes_from_a_file_a_package_or_as_it_is(demo, tmp_path):
    config = load_config(demo.config_path)
    assert load_config(config) is config
    assert load_config('asl_mmaction::asl/asl_demo.py').model.type == config.model.type
    with pytest.raises(FileNotFoundError, match=r'file but got none\.py, which does not exist'):
        load_config('none.py')
    with pytest.raises(FileNotFoundError, match=r'a config file but got .*, which is a f'):
        load_config(tmp_path)
    with pytest.raises(TypeError, match='expected a config or its path but got int'):
        load_config(3)


def test_a_checkpoint_is_read_without_running_its_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (tmp_path.joinpath('ran').touch, ())

    torch.save({'state_dict': {}, 'meta': Evil()}, tmp_path / 'evil.pth')
    refused = (
        r'could not read .*evil\.pth: it holds \S+, and only tensors and plain values are read'
    )
    with pytest.raises(ValueError, match=refused) as info:
        load_checkpoint(tmp_path / 'evil.pth')
    assert '\n' not in str(info.value)
    assert not (tmp_path / 'ran').exists()


@pytest.mark.filterwarnings('ignore:Detected pickle protocol')
@pytest.mark.parametrize(
    'content', [b'', b'not', b'. text', b'h text', b'0 text', pickle.dumps(3), pickle.dumps(print)]
)
def test_a_broken_checkpoint_is_named(tmp_path, content):
    (tmp_path / 'a.pth').write_bytes(content)
    with pytest.raises(ValueError, match=r'expected a checkpoint .*a\.pth: it is dama') as info:
        load_checkpoint(tmp_path / 'a.pth')
    assert 'weights_only' not in str(info.value)


@pytest.mark.parametrize('content', [{'weights': 1}, {'state_dict': None}, [1]])
def test_a_checkpoint_without_weights_or_that_is_not_there(tmp_path, content):
    torch.save(content, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match=r"with 'state_dict' but got .*a\.pth without"):
        load_checkpoint(tmp_path / 'a.pth')
    with pytest.raises(FileNotFoundError, match=r'b\.pth, which does not exist'):
        load_checkpoint(tmp_path / 'b.pth')
    with pytest.raises(FileNotFoundError, match=r'expected a checkpoint but got .*, which is a f'):
        load_checkpoint(tmp_path)


def test_a_checkpoint_that_may_not_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, 'Permission denied', 'a.pth')

    (tmp_path / 'a.pth').touch()
    monkeypatch.setattr(torch, 'load', refuse)
    with pytest.raises(PermissionError, match=r"Permission denied: 'a\.pth'"):
        load_checkpoint(tmp_path / 'a.pth')


def test_a_checkpoint_from_the_web_is_read_as_one_from_the_disk(tmp_path, monkeypatch):
    class Evil:
        def __reduce__(self):
            return (tmp_path.joinpath('ran').touch, ())

    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    cache = tmp_path / 'hub' / 'checkpoints'
    cache.mkdir(parents=True)
    torch.save({'state_dict': {'a': torch.ones(1)}}, cache / 'good.pth')
    torch.save({'state_dict': {}, 'meta': Evil()}, cache / 'evil.pth')
    assert load_checkpoint('https://localhost/good.pth')['state_dict'] == {'a': torch.ones(1)}
    with pytest.raises(ValueError, match=r'could not read https://localhost/evil\.pth: it holds'):
        load_checkpoint('https://localhost/evil.pth')
    assert not (tmp_path / 'ran').exists()
    with pytest.raises(
        ValueError, match=r'could not read http://localhost:1/no\.pth: <urlopen err'
    ):
        load_checkpoint('http://localhost:1/no.pth')


@pytest.mark.parametrize('wrap', [lambda model: model, torch.nn.DataParallel])
def test_weights_go_into_a_model_wrapped_or_not(wrap):
    model = torch.nn.Linear(2, 3)
    state = {'weight': torch.ones(3, 2), 'bias': torch.ones(3)}
    load_weights(wrap(model), {'state_dict': state}, 'a.pth')
    assert torch.equal(model.weight, state['weight'])
    assert torch.equal(model.bias, state['bias'])


@pytest.mark.parametrize(
    'change', [{'bias': None}, {'bias': torch.ones(4)}, {'bias': 3}, {'other': torch.ones(1)}]
)
def test_a_weight_missing_misshapen_or_unknown_is_named(change):
    state = {'weight': torch.ones(3, 2), 'bias': torch.ones(3)} | change
    state = {key: value for key, value in state.items() if value is not None}
    model = torch.nn.Linear(2, 3)
    before = model.weight.clone()
    (name,) = change
    with pytest.raises(ValueError, match=rf'but 1 entries of a\.pth are .* such as {name}'):
        load_weights(model, {'state_dict': state}, 'a.pth')
    assert torch.equal(model.weight, before)


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


@pytest.mark.parametrize('meta', [None, [], {'dataset_meta': None}, {'dataset_meta': 3}, {}])
def test_a_checkpoint_that_says_nothing_of_its_data(meta):
    assert dataset_meta({'meta': meta}) == dataset_meta({}) == {}
    config = Config({'test_dataloader': {'dataset': {'metainfo': {'classes': ['c', 'd']}}}})
    assert find_classes(config, {'meta': meta}) == ('c', 'd')


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


def gaussians_of(demo, tmp_path, class_level, **state):
    """Written to a checkpoint and read back."""
    config = Config(demo.config.to_dict())
    config.model.head.sensitivity.class_level.update(class_level)
    content = torch.load(demo.checkpoint, weights_only=True)
    prefix = 'head.sensitivity.class_level.'
    content['state_dict'] = {
        key: value for key, value in content['state_dict'].items() if not key.startswith(prefix)
    } | {prefix + key: value for key, value in state.items()}
    torch.save(content, tmp_path / 'a.pth')
    return read_class_gaussians(config, tmp_path / 'a.pth')


def test_gaussians_are_read_with_sigma_clamped(demo, tmp_path):
    torch.manual_seed(0)
    state = {
        'mu_cls': torch.randn(5, 1),
        'sigma_cls': torch.tensor([[-1.0], [0.1], [0.3], [2.0], [9.0]]),
        'mu_loc': torch.randn(5, 2),
        'sigma_loc': torch.rand(5, 2) + 0.5,
    }
    level = {'sigma_range': (0.2, 3.0), 'loc_denominator': 'std'}
    g = gaussians_of(demo, tmp_path, level, **state)
    assert g.classes == demo.classes
    np.testing.assert_allclose(g.variance_loc, g.sigma_loc**2, rtol=1e-6)
    np.testing.assert_array_equal(g.mu_cls, state['mu_cls'])
    np.testing.assert_array_equal(g.mu_loc, state['mu_loc'])
    np.testing.assert_array_equal(g.sigma_loc, state['sigma_loc'])
    np.testing.assert_allclose(g.sigma_cls[:, 0], [0.2, 0.2, 0.3, 2.0, 3.0], rtol=1e-6)


@pytest.mark.parametrize('shared', [False, True])
@pytest.mark.parametrize('loc_denominator', ['variance', 'std'])
def test_curves_are_those_of_the_loss(double, demo, tmp_path, shared, loc_denominator):
    level = {'shared': shared, 'loc_denominator': loc_denominator}
    module = ClassSensitivity(num_classes=5, sigma_init=0.3, **level)
    g = gaussians_of(demo, tmp_path, level, **module.state_dict())
    d = torch.linspace(-0.5, 0.5, 7)
    for label in range(5):
        p_cls, p_loc = (p.detach().numpy() for p in module(d, torch.tensor(label)))
        np.testing.assert_allclose(g.cls(d)[label].sum(0), p_cls, rtol=1e-6)
        np.testing.assert_allclose(g.loc(d)[label].sum(0), p_loc, rtol=1e-6)


def test_a_kind_without_gaussians_is_empty(demo, tmp_path):
    state = {'mu_loc': torch.zeros(5, 1), 'sigma_loc': torch.ones(5, 1)}
    g = gaussians_of(demo, tmp_path, {'cls': 'none', 'num_loc': 1}, **state)
    assert (g.mu_cls.shape, g.mu_loc.shape) == ((5, 0), (5, 1))


def test_class_level_sensitivity_has_to_be_there(demo, tmp_path):
    with pytest.raises(ValueError, match=r'but got none in .*a\.pth'):
        gaussians_of(demo, tmp_path, {})
    config = Config(demo.config.to_dict())
    config.model.head.sensitivity.class_level = None
    with pytest.raises(ValueError, match='but got no such entry in the config'):
        read_class_gaussians(config, demo.checkpoint)


def test_gaussians_are_those_of_the_config(demo, tmp_path):
    state = ClassSensitivity(num_classes=5, num_loc=1).state_dict()
    with pytest.raises(ValueError, match=r'but 2 entries of .*a\.pth are .* such as mu_loc'):
        gaussians_of(demo, tmp_path, {}, **state)
    config = Config(demo.config.to_dict())
    config.model.head.num_classes = 3
    with pytest.raises(ValueError, match=r'expected 3 classes .* but got 5 in .*\.pth'):
        read_class_gaussians(config, demo.checkpoint)
    for model in ({}, {'type': 'BMN'}):
        with pytest.raises(ValueError, match='but got no such entry in the config'):
            read_class_gaussians(Config({'model': model}), demo.checkpoint)
