"""Few groups, with the settings that mmengine's own constructor gives each parameter."""

import re

import numpy as np
import pytest
from mmaction.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope


@pytest.fixture(scope='module')
def config(pytestconfig):
    return Config.fromfile(pytestconfig.rootpath / 'configs' / 'asl' / 'asl_demo.py')


@pytest.fixture(scope='module')
def model(config):
    with DefaultScope.overwrite_default_scope('mmaction'):
        return MODELS.build(config.model)


def settings_of_parameters(config, model, constructor):
    optim_wrapper = config.optim_wrapper.to_dict()
    paramwise_cfg = optim_wrapper.pop('paramwise_cfg')
    optim_wrapper.pop('constructor')
    with DefaultScope.overwrite_default_scope('mmaction'):
        built = OPTIM_WRAPPER_CONSTRUCTORS.build(
            dict(type=constructor, optim_wrapper_cfg=optim_wrapper, paramwise_cfg=paramwise_cfg)
        )(model)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = built.optimizer.param_groups
    settings = {
        names[id(parameter)]: {key: value for key, value in group.items() if key != 'params'}
        for group in groups
        for parameter in group['params']
    }
    assert sum(len(group['params']) for group in groups) == len(settings)
    return settings, len(groups)


def test_same_settings_in_fewer_groups(config, model):
    ours, num_ours = settings_of_parameters(config, model, 'GroupedOptimWrapperConstructor')
    theirs, num_theirs = settings_of_parameters(config, model, 'DefaultOptimWrapperConstructor')
    assert ours == theirs
    assert set(ours) == {name for name, p in model.named_parameters() if p.requires_grad}
    assert num_ours == 3
    assert num_theirs == len(theirs)


def test_the_log_has_a_line_for_each_group(config, model, monkeypatch):
    lines = []
    logger = MMLogger.get_current_instance()
    monkeypatch.setattr(logger, 'info', lines.append)
    settings_of_parameters(config, model, 'GroupedOptimWrapperConstructor')
    learned = [p for p in model.parameters() if p.requires_grad]
    found = [re.match(r'(\d+) parameters with (\d+) numbers: lr 0.002, ', x) for x in lines]
    counts = [[int(number) for number in line.groups()] for line in found]
    assert len(counts) == 3
    assert np.sum(counts, axis=0).tolist() == [len(learned), sum(p.numel() for p in learned)]


def test_only_matrices_and_kernels_decay(config, model):
    settings, _ = settings_of_parameters(config, model, 'GroupedOptimWrapperConstructor')
    decay = config.optim_wrapper.optimizer.weight_decay
    for name, parameter in model.named_parameters():
        gaussian = '.mu_' in name or '.sigma_' in name
        expected = 0.0 if parameter.ndim == 1 or gaussian else decay
        assert settings[name]['weight_decay'] == expected, name
    # Of each kind there is one, so that the rule is not true for want of them.
    for part in ('norms.0.weight', '.bias', '_path.scale', 'head.scales', '.mu_', '.sigma_'):
        assert any(part in name for name in settings), part


def test_gaussians_take_a_learning_rate_of_their_own(config, model):
    config = Config(config.to_dict())
    keys = config.optim_wrapper.paramwise_cfg.custom_keys
    keys['class_level'].update(lr_mult=10.0)
    settings, _ = settings_of_parameters(config, model, 'GroupedOptimWrapperConstructor')
    lr = config.optim_wrapper.optimizer.lr
    for name, values in settings.items():
        factor = 10 if '.class_level.' in name else 1
        assert values['lr'] == pytest.approx(factor * lr), name
