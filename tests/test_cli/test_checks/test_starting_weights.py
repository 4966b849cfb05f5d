"""Weights that a training starts from: what fits, what is left, and what the classes mean."""

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModule
from torch import nn

from asl_mmaction.cli.checks.starting_weights import describe_starting_weights


class Part(BaseModule):
    def __init__(self, width, init_cfg=None):
        super().__init__(init_cfg)
        self.a = nn.Linear(2, width)
        self.b = nn.Linear(2, 1, bias=False)


class Model(BaseModule):
    def __init__(self, classes=3, **init_cfg):
        super().__init__(init_cfg.get('model'))
        self.neck = Part(4, init_cfg.get('neck'))
        self.head = Part(classes, init_cfg.get('head'))


CLASSES = {'the train data': ['x', 'y', 'z']}


def config_of(load_from=None, classes=3):
    return Config({'model': {'head': {'num_classes': classes}}, 'load_from': load_from})


@pytest.fixture
def save(tmp_path):
    """Function: path of a checkpoint with these weights, trained for these classes."""

    def write(state, classes=('x', 'y', 'z'), whole=True):
        path = tmp_path / 'w.pth'
        content = {'state_dict': state, 'meta': {'dataset_meta': {'classes': classes}}}
        torch.save(content if whole else state, path)
        return str(path)

    return write


def test_nothing_to_load_is_nothing_to_say():
    assert describe_starting_weights(Model(), config_of(), CLASSES) == []


@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_all_that_fit_are_counted(save, prefix):
    state = {f'{prefix}{key}': value for key, value in Model().state_dict().items()}
    path = save(state)
    for model in (Model(), nn.DataParallel(Model())):
        lines = describe_starting_weights(model, config_of(path), CLASSES)
        assert lines == [f'load_from {path}: 6 of 6 weights fit']


def test_what_is_left_and_what_is_of_no_use_is_named(save):
    state = Model(classes=2).state_dict()
    path = save({'old.x': torch.ones(1), 'c': 3, **state}, classes=['x', 'y'])
    lines = describe_starting_weights(Model(), config_of(path), CLASSES)
    assert lines == [
        f'load_from {path}: 4 of 6 weights fit; left at random: head.a.weight, head.a.bias; of no '
        'use: old.x, c',
        f'{path}: trained for 2 classes, not 3: what belongs to a class is left at random',
    ]
    path = save({'neck.b.weight': state['neck.b.weight']})
    (line,) = describe_starting_weights(Model(), config_of(path), CLASSES)
    assert line.endswith(
        '1 of 6 weights fit; left at random: neck.a.weight, neck.a.bias, head.a.weight, '
        'head.a.bias and 1 more'
    )


@pytest.mark.parametrize('state', [{}, {'neck.a.weight': torch.ones(1)}, {'x.neck.a.bias': 1}])
def test_weights_of_which_none_fits_are_refused(save, state):
    path = save(state)
    with pytest.raises(ValueError, match=r'w\.pth: expected weights that fit this model, .* but g'):
        describe_starting_weights(Model(), config_of(path), CLASSES)


@pytest.mark.parametrize(
    ('trained', 'message'),
    [
        (['z', 'y', 'x'], "number 0 is 'x' instead of 'z'"),
        (['w', 'x', 'y'], "number 0 is 'x' instead of 'w'"),  # one went, one came: all moved
    ],
)
def test_a_class_with_another_label_is_refused(save, trained, message):
    path = save(Model().state_dict(), trained)
    with pytest.raises(
        ValueError, match=rf'classes of the checkpoint .*w\.pth.* got 3, .*{message}'
    ):
        describe_starting_weights(Model(), config_of(path), CLASSES)
    # Where the classes do not matter: no weight of the head, or a head that knows none.
    state = {key: value for key, value in Model().state_dict().items() if 'neck' in key}
    assert len(describe_starting_weights(Model(), config_of(save(state, trained)), CLASSES)) == 1
    path = save(Model(1).state_dict(), trained)
    assert len(describe_starting_weights(Model(1), config_of(path, 1), CLASSES)) == 1


@pytest.mark.parametrize(
    ('trained', 'data', 'line'),
    [
        (None, CLASSES, 'its classes are not known, and taken for those of the data'),
        (('x', 'y', 'z'), {'the data': None}, 'its classes are not known, and taken for those'),
        (('x', 'y', 'v'), CLASSES, "1 of its classes are others, such as 'v'"),
        (('a', 'b', 'c'), CLASSES, "3 of its classes are others, such as 'a'"),
    ],
)
def test_other_or_unknown_classes_are_said(save, trained, data, line):
    path = save(Model().state_dict(), trained)
    lines = describe_starting_weights(Model(), config_of(path), data)
    assert len(lines) == 2
    assert lines[1].startswith(f'{path}: {line}')


def test_weights_of_a_part_are_compared_as_well(save):
    path = save({f'a.neck.{key}': value for key, value in Part(4).state_dict().items()})
    settings = {'type': 'Pretrained', 'checkpoint': path, 'prefix': 'a.neck'}
    model = Model(neck=[{'type': 'Constant', 'layer': 'Linear', 'val': 0.0}, settings])
    assert describe_starting_weights(model, config_of(), CLASSES) == [
        f'neck.init_cfg: {path}: 3 of 3 weights fit'
    ]
    model.init_weights()  # as mmengine loads them
    assert torch.equal(model.neck.a.weight, torch.load(path)['state_dict']['a.neck.a.weight'])
    with pytest.raises(ValueError, match=r'neck\.init_cfg: .* but got none'):
        describe_starting_weights(Model(neck={**settings, 'prefix': 'b'}), config_of(), CLASSES)


def test_classes_of_a_pretrained_head_or_model_are_compared(save):
    path = save(Part(3).state_dict(), ['z', 'y', 'x'])
    for name in ('head', 'neck'):
        settings = {'type': 'Pretrained', 'checkpoint': path}
        model = Model(**{name: settings})
        if name == 'neck':  # has no classes
            assert len(describe_starting_weights(model, config_of(), CLASSES)) == 1
            continue
        with pytest.raises(ValueError, match='classes of the checkpoint'):
            describe_starting_weights(model, config_of(), CLASSES)


def test_weights_alone_are_enough_for_a_part(save):
    path = save(Model().state_dict(), whole=False)
    model = Model(model={'type': 'Pretrained', 'checkpoint': path})
    assert describe_starting_weights(model, config_of(), CLASSES) == [
        f'init_cfg: {path}: 6 of 6 weights fit',
        f'{path}: its classes are not known, and taken for those of the data',
    ]
    with pytest.raises(ValueError, match=r"expected a checkpoint with 'state_dict' but got .* wi"):
        describe_starting_weights(model, config_of(path), CLASSES)
