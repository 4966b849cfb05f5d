"""A training is resumed with the settings that it was started with."""

import copy
from types import SimpleNamespace

import pytest
from mmengine.config import Config
from mmengine.runner import EpochBasedTrainLoop

from asl_mmaction.cli.checks.resuming import (
    check_resumed_settings,
    check_resumed_steps,
    ends_with_training,
)

CONFIG = dict(
    train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=6, val_interval=1),
    train_dataloader=dict(batch_size=8, num_workers=0, dataset=dict(data_root='here')),
    optim_wrapper=dict(
        type='OptimWrapper',
        optimizer=dict(type='AdamW', lr=2e-3, betas=(0.9, 0.999)),
        clip_grad=dict(max_norm=1.0),
    ),
    param_scheduler=[dict(type='LinearLR', end=5), dict(type='CosineAnnealingLR', begin=5)],
    default_hooks=dict(
        logger=dict(type='LoggerHook', interval=1), ema=dict(type='OneEMAHook', momentum=0.1)
    ),
    auto_scale_lr=dict(enable=False, base_batch_size=2),
    randomness=dict(seed=0),
    work_dir='a',
)


def content_of(config, seed=0, **more):
    """A checkpoint after two epochs of two steps."""
    meta = {'cfg': Config(copy.deepcopy(config)).pretty_text, 'seed': seed, 'epoch': 2, 'iter': 4}
    return {'meta': meta, 'ema_state_dict': {}, **more}


@pytest.fixture(scope='module')
def content():
    return content_of(CONFIG)


def changed(options):
    config = Config(copy.deepcopy(CONFIG))
    config.merge_from_dict(options)
    return config


@pytest.mark.parametrize(
    'options',
    [
        {},
        {'train_cfg.val_interval': 3},
        {'train_dataloader.num_workers': 4, 'train_dataloader.dataset.data_root': 'there'},
        {'optim_wrapper.type': 'BFloat16OptimWrapper'},
        {'default_hooks.logger.interval': 50, 'work_dir': 'b', 'resume': True},
        {'auto_scale_lr.base_batch_size': 16},  # not enabled
        {'randomness': {}, 'randomness.seed': None},
    ],
)
def test_what_the_checkpoint_does_not_decide_may_change(content, options):
    assert check_resumed_settings(changed(options), content, 'a.pth') == []


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'train_cfg.max_epochs': 9}, r'train_cfg.max_epochs=6, as .* with, but got 9;'),
        ({'optim_wrapper.optimizer.lr': 1e-5}, r'optimizer.lr=0.002, as .* but got 1e-05'),
        ({'optim_wrapper.optimizer.type': 'Adam'}, "optimizer.type='AdamW'.* but got 'Adam'"),
        ({'optim_wrapper.optimizer.weight_decay': 0.1}, 'weight_decay=None,.* but got 0.1'),
        ({'optim_wrapper.clip_grad.max_norm': 2.0}, 'clip_grad.max_norm=1.0,.* but got 2.0'),
        ({'optim_wrapper.accumulative_counts': 2}, 'accumulative_counts=None,.* but got 2'),
        ({'train_dataloader.batch_size': 2}, 'train_dataloader.batch_size=8,.* but got 2'),
        ({'param_scheduler.0.end': 3}, 'param_scheduler.0.end=5,.* but got 3'),
        ({'param_scheduler': []}, r"param_scheduler.0=\{'end': 5.* but got None"),
        ({'auto_scale_lr.enable': True}, 'auto_scale_lr.enable=False,.* but got True'),
        ({'default_hooks.ema.momentum': 0.2}, 'default_hooks.ema.momentum=0.1,.* but got 0.2'),
        ({'default_hooks.ema': None}, r'a moving average .*ema\), as .* but got none'),
        ({'randomness.seed': 1}, 'randomness.seed=0,.* but got 1'),
        (
            {'train_cfg.max_epochs': 9, 'randomness.seed': 1, 'optim_wrapper.optimizer.lr': 1},
            r'different too: optim_wrapper.optimizer.lr, randomness.seed\)',
        ),
    ],
)
def test_what_the_checkpoint_decides_may_not(content, options, message):
    with pytest.raises(ValueError, match=rf'^b/a\.pth: expected .*{message}') as caught:
        check_resumed_settings(changed(options), content, 'b/a.pth')
    text = str(caught.value)
    assert '\n' not in text
    assert text.endswith('leave out --resume: --cfg-options load_from=b/a.pth')


def test_a_schedule_with_an_end_of_its_own_does_not_care_how_long_the_training_is():
    config = copy.deepcopy(CONFIG)
    config['param_scheduler'][1]['end'] = 6
    longer = Config(copy.deepcopy(config))
    longer.train_cfg.max_epochs = 9
    assert check_resumed_settings(longer, content_of(config), 'a.pth') == []


@pytest.mark.parametrize(
    ('scheduler', 'expected'),
    [
        (None, False),
        ([], False),
        (dict(type='LinearLR'), True),
        (dict(type='LinearLR', end=3), False),
        ([dict(type='LinearLR', end=3), dict(type='CosineAnnealingLR')], True),
        (dict(one=[dict(type='LinearLR', end=3)], two=dict(type='LinearLR')), True),
        (dict(one=[dict(type='LinearLR', end=3)]), False),
    ],
)
def test_schedulers_of_every_form_are_looked_into(scheduler, expected):
    assert ends_with_training({'param_scheduler': scheduler}) is expected


def test_the_seed_that_was_drawn_is_kept():
    config = copy.deepcopy(CONFIG)
    config['randomness'] = {}
    content = content_of(config, seed=123)
    assert check_resumed_settings(Config(config), content, 'a.pth') == []
    with pytest.raises(ValueError, match=r'randomness\.seed=123,.* but got 0'):
        check_resumed_settings(Config(CONFIG), content, 'a.pth')


def test_averages_of_a_custom_hook_are_the_same_averages():
    """As in the checkpoints of before."""
    old = copy.deepcopy(CONFIG)
    old['custom_hooks'] = [{**old['default_hooks'].pop('ema'), 'type': 'EMAHook'}]
    assert check_resumed_settings(Config(CONFIG), content_of(old), 'a.pth') == []


def test_averages_that_the_checkpoint_lacks_are_none():
    content = content_of(CONFIG)
    del content['ema_state_dict']
    with pytest.raises(ValueError, match=r'expected none .* but got a moving average'):
        check_resumed_settings(Config(CONFIG), content, 'a.pth')


@pytest.mark.parametrize('text', [None, ''])
def test_a_checkpoint_without_settings_is_said(text):
    content = content_of(CONFIG)
    content['meta']['cfg'] = text
    assert check_resumed_settings(changed({'train_cfg.max_epochs': 9}), content, 'a.pth') == [
        'a.pth does not say its settings: taken for those of the config'
    ]


def loop_of(batches, epochs, kind=EpochBasedTrainLoop):
    loop = kind.__new__(kind)
    loop.dataloader = [None] * batches
    loop._max_epochs, loop._max_iters = epochs, epochs * batches
    return loop


@pytest.mark.parametrize('batches', [1, 3, 8])
def test_an_epoch_has_as_many_steps_as_before(content, batches):
    with pytest.raises(
        ValueError, match=rf'^a\.pth: expected {2 * batches} steps in 2 epochs, .* 4'
    ):
        check_resumed_steps(loop_of(batches, 6), content, 'a.pth')
    assert check_resumed_steps(loop_of(2, 6), content, 'a.pth') == []
    # A loop of steps has no epochs.
    assert check_resumed_steps(SimpleNamespace(max_iters=9), content, 'a.pth') == []


def test_nothing_is_left_to_do(content):
    assert check_resumed_steps(loop_of(2, 2), content, 'a.pth') == [
        'a.pth has all 4 steps of the training: nothing is left to do'
    ]
