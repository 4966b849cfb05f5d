"""A user's mistake is one line and exit code 2; a bug keeps its traceback."""

import argparse
import sys
from pathlib import Path

import pytest
from mmaction.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from torch import nn

from asl_mmaction.cli.arguments import (
    MistakeError,
    configure,
    for_this_run,
    make_parser,
    read_config,
    report_mistakes,
    write_results_to,
)

CONFIGS = sorted((Path(__file__).parents[2] / 'configs').rglob('*.py'))
WORKER = """Caught ValueError in DataLoader worker process 0.
Original Traceback (most recent call last):
  File "x.py", line 1, in <module>
ValueError: a.npy: expected width 3 but got 4"""


@pytest.mark.parametrize(
    ('error', 'line'),
    [
        (MistakeError('no\n such thing'), 'no such thing'),
        (FileNotFoundError('a.json is not there'), 'a.json is not there'),
        (PermissionError(13, 'Permission denied', 'a.npy'), "Permission denied: 'a.npy'"),
        (NotADirectoryError(20, 'Not a directory', 'a/b'), "Not a directory: 'a/b'"),
        (OSError(28, 'No space left on device'), 'No space left on device'),
        (ValueError('video v: expected 2 but got 3'), 'video v: expected 2 but got 3'),
        (ImportError('a.h5: expected h5py, but it is not installed'), 'a.h5: expected h5py'),
        (KeyError('X is not in the mmaction::model registry. Please'), 'X is not in the mmaction'),
        (TypeError("Neck.__init__() got an unexpected keyword argument 'x'"), "argument 'x'"),
        (ValueError('end should be larger than begin, but got begin=5, end=2'), 'begin=5'),
        (ValueError(WORKER), 'error: a.npy: expected width 3 but got 4\n'),
    ],
)
def test_a_mistake_ends_with_one_line(capsys, error, line):
    with pytest.raises(SystemExit) as caught, report_mistakes():
        raise error
    assert caught.value.code == 2
    err = capsys.readouterr().err
    assert line in err
    assert err.count('\n') == 1


@pytest.mark.parametrize(
    'error',
    [
        ValueError('operands could not be broadcast together'),
        RuntimeError('expected scalar type Float but got Half'),
        KeyError('loss_cls'),
        AttributeError("'NoneType' object has no attribute 'x'"),
        ImportError("cannot import name 'x' from 'y'"),
        TypeError('unsupported operand type'),
        ZeroDivisionError(),
        OSError('no file is to blame'),
    ],
)
def test_a_bug_passes(error):
    with pytest.raises(type(error)) as caught, report_mistakes():
        raise error
    assert caught.value is error


def arguments(*words):
    return make_parser('A tool.').parse_args([str(word) for word in words])


def test_config_takes_the_arguments(tiny_config):
    args = arguments(
        tiny_config,
        '--work-dir=out',
        '--cfg-options',
        'train_dataloader.batch_size=7',
        'optim_wrapper.accumulative_counts=2',
        'find_unused_parameters=True',
    )
    config = configure(args)
    assert config.train_dataloader.batch_size == 7
    assert config.optim_wrapper.accumulative_counts == 2
    assert config.find_unused_parameters is True
    run = for_this_run(config, args)
    assert (run.work_dir, run.launcher) == ('out', 'none')
    assert config.keys().isdisjoint({'work_dir', 'launcher'})  # other runs have others


def test_work_dir_is_named_after_the_config(tiny_config):
    def work_dir():
        args = arguments(tiny_config)
        return for_this_run(configure(args), args).work_dir

    assert work_dir() == 'work_dirs/tiny'
    tiny_config.write_text(tiny_config.read_text() + "\nwork_dir = 'mine'\n")
    assert work_dir() == 'mine'


@pytest.mark.parametrize('option', ['optim_wraper.optimizer.lr=1', 'max_epochs=2'])
def test_an_option_without_effect_is_a_mistake(tiny_config, option):
    # mmengine takes it without a word, be it misspelt or a variable that others were made of.
    name = option.partition('=')[0]
    with pytest.raises(MistakeError, match=rf'optim_wrapper.* but got {name}, which has no effect'):
        configure(arguments(tiny_config, '--cfg-options', option))


@pytest.mark.parametrize(
    ('key', 'meant'),
    [
        ('train_dataloder', 'train_dataloader'),
        ('train_data_loader', 'train_dataloader'),
        ('optim_wraper', 'optim_wrapper'),
        ('parm_scheduler', 'param_scheduler'),
        ('modle', 'model'),
        ('val_cgf', 'val_cfg'),
    ],
)
def test_a_misspelt_key_of_a_config_is_a_mistake(tiny_config, key, meant):
    tiny_config.write_text(f'{tiny_config.read_text()}\n{key} = dict()\n')
    with pytest.raises(MistakeError, match=rf'tiny\.py: expected {meant} but got {key}, which has'):
        read_config(tiny_config, {})


def test_a_variable_of_a_config_is_none(tiny_config):
    names = [
        *('train_pipeline', 'train_batch_size', 'train_loader', 'train_dataset', 'test_subset'),
        *('my_train_dataloader', 'train_dataloader_2', 'eval_cfg', 'test_data', 'tta_model'),
        *('models', 'model2', 'models_dir', 'base_model', 'max_epochs', 'hooks', 'optimizer'),
        *('load', 'resume_from', 'vis_backends', 'work_root'),
    ]
    tiny_config.write_text('\n'.join([tiny_config.read_text(), *(f'{name} = 1' for name in names)]))
    assert set(names) <= read_config(tiny_config, {}).keys()


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_configs_of_this_package_hold_no_mistake(path):
    assert read_config(path, {})


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ('train_cfg.max_epochs=one', "expected train_cfg.max_epochs of type int but got 'one'"),
        ('train_cfg=3', 'expected train_cfg of type dict but got 3'),
        ('optim_wrapper.optimizer.lr=abc', "optimizer.lr of type float but got 'abc'"),
        ('optim_wrapper.optimizer.type=AdamWW', 'optim_wrapper.optimizer: AdamWW is not in the'),
        ('optim_wrapper.optimizer=SGD', "optim_wrapper.optimizer of type dict but got 'SGD'"),
        ('optim_wrapper.clip_grad.max_norm=x', 'clip_grad.max_norm of type float'),
        (
            'train_dataloader.batch_size=two',
            "train_dataloader.batch_size of type int but got 'two'",
        ),
        ('train_dataloader=3', 'expected train_dataloader of type dict but got 3'),
        ('param_scheduler.0.end=x', 'param_scheduler.0.end of type int'),  # **kwargs of LinearLR
        ('param_scheduler.7.end=1', 'that fit .*tiny.py but got param_scheduler.7.end: Index 7'),
        ('default_hooks.checkpoint.interval=x', 'default_hooks.checkpoint.interval of type int'),
        ('randomness.seed=a', "randomness.seed of type int but got 'a'"),
        ('model.head.num_classes=five', "model.head.num_classes of type int but got 'five'"),
        ('val_evaluator.tiou_thresholds=0.5', 'thresholds of type Mapping or Sequence but got 0.5'),
        ('resume=x', "expected resume of type bool but got 'x'"),
    ],
)
def test_a_value_of_another_type_is_a_mistake(tiny_config, option, message):
    with pytest.raises(MistakeError, match=message):
        configure(arguments(tiny_config, '--cfg-options', option))


@pytest.mark.parametrize(
    'options',
    [
        ['optim_wrapper.type=AmpOptimWrapper', 'optim_wrapper.loss_scale=512.0'],
        ['optim_wrapper.optimizer.weight_decay=0', 'optim_wrapper.clip_grad=None'],
        ['model_wrapper_cfg.type=MMDeepSpeedEngineWrapper'],  # whose package is not installed
        ['train_cfg.type=Unknown', 'train_cfg.count=x', 'train_cfg.other.type=[1]'],
        ['default_hooks.checkpoint.save_best=auto', 'resume=1'],
    ],
)
def test_a_value_that_may_be_right_is_let_through(tiny_config, options):
    assert configure(arguments(tiny_config, '--cfg-options', *options))


def test_what_the_stack_does_not_take_is_a_mistake_but_our_own_error_is_none():
    @MODELS.register_module()
    class Broken(nn.Module):
        def __init__(self, count):
            super().__init__()
            self.norm = nn.LayerNorm('x' * count)

    try:
        with pytest.raises(SystemExit), report_mistakes():
            MODELS.build(dict(type='torch.nn.Dropout', p=2))
        with pytest.raises(TypeError), report_mistakes():  # ours gives it, not the config
            MODELS.build(dict(type='Broken', count=1))
    finally:
        del MODELS.module_dict['Broken']


def test_a_wrapper_that_wants_more_of_what_it_wraps(demo_data, capsys):
    part = dict(
        type='TALDataset', data_root=str(demo_data), ann_file='annotations.json', subset='test'
    )
    joined = dict(type='ConcatDataset', datasets=[part])
    wrapper = dict(type='ClassBalancedDataset', dataset=joined, oversample_thr=0.5)
    scope = DefaultScope.overwrite_default_scope('mmaction')
    with scope, pytest.raises(SystemExit), report_mistakes():
        DATASETS.build(wrapper)
    message = "ClassBalancedDataset does not take what the config gives it: 'ConcatDataset' object"
    assert message in capsys.readouterr().err


def test_an_error_of_the_training_passes(tiny_config, tmp_path, monkeypatch):
    args = arguments(tiny_config, '--work-dir', tmp_path / 'work')
    runner = Runner.from_cfg(for_this_run(configure(args), args))
    wrong = dict(type='torch.nn.Dropout', p=2)
    monkeypatch.setattr(runner.model, 'train_step', lambda *_, **__: MODELS.build(wrong))
    with pytest.raises(ValueError, match='dropout probability'), report_mistakes():
        runner.train()


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('model = dict(', 'SyntaxError'),
        ("_base_ = ['missing.py']", 'missing.py'),
        ('a = _base_.b', 'AttributeError'),
        ('a = b', 'NameError'),
        ("_base_ = ['nowhere::a/b.py']", 'nowhere'),
    ],
)
def test_a_config_that_cannot_be_read_is_named(tmp_path, text, message):
    path = tmp_path / 'broken.py'
    path.write_text(text)
    with pytest.raises(MistakeError, match=rf'cannot read .*broken\.py: .*{message}'):
        configure(arguments(path))


def test_a_config_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MistakeError, match=r'expected a config file but got .*no\.py'):
        configure(arguments(tmp_path / 'no.py'))


def test_results_go_to_every_metric_that_writes_files():
    tal, other = dict(type='TALMetric'), dict(type='AccMetric')
    recall = dict(type='AverageRecallMetric')
    config = Config(dict(test_evaluator=[dict(tal), dict(other), dict(recall)]))
    write_results_to(config, 'here')
    assert [metric.get('out_dir') for metric in config.test_evaluator] == ['here', None, 'here']
    config = Config(dict(test_evaluator=dict(tal)))
    write_results_to(config, 'here')
    assert config.test_evaluator.out_dir == 'here'
    for evaluator in (dict(other), dict(type='Unknown'), None):
        with pytest.raises(MistakeError, match='expected a TALMetric'):
            write_results_to(Config(dict(test_evaluator=evaluator)), 'here')


def test_help_does_not_ask_mim_for_more():
    # mim appends --gpus and --device to a tool whose help names --gpus.
    parser = make_parser('A tool.')
    assert isinstance(parser, argparse.ArgumentParser)
    assert '--gpus' not in parser.format_help()


@pytest.mark.skipif(sys.platform != 'linux', reason='a matter of glibc')
def test_freed_memory_is_used_again(fresh_process):
    given_back, kept = fresh_process['faults']  # of 400 MB, in pages of 2 MB or less
    assert kept < 100 < given_back


def test_no_workers_are_kept_where_there_are_none(tmp_path):
    path = tmp_path / 'a.py'
    path.write_text(
        'train_dataloader = dict(num_workers=4, persistent_workers=True)\n'
        'val_dataloader = dict(num_workers=4, persistent_workers=True)\n'
    )
    config = read_config(path, {'train_dataloader.num_workers': 0})
    assert config.train_dataloader == {'num_workers': 0, 'persistent_workers': False}
    assert config.val_dataloader == {'num_workers': 4, 'persistent_workers': True}


@pytest.mark.parametrize(
    ('options', 'hooks'),
    [
        ({}, []),
        ({'compile': False}, []),
        ({'compile': True}, [{'type': 'CompileHook'}]),
        ({'compile.mode': 'default'}, [{'type': 'CompileHook', 'mode': 'default'}]),
    ],
)
def test_compile_becomes_a_hook(tmp_path, options, hooks):
    path = tmp_path / 'some.py'
    path.write_text("custom_hooks = [dict(type='EMAHook')]\n")
    config = read_config(path, options)
    assert config.custom_hooks == [{'type': 'EMAHook'}, *hooks]
    assert 'compile' not in config
