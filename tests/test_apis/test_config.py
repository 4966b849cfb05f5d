"""Configs are read in one way, and what is wrong in them is named."""

import copy
from pathlib import Path

import pytest
from mmengine.config import Config

from asl_mmaction.apis import TALInferencer, load_config, read_action_sensitivity
from asl_mmaction.cli.arguments import parse_cfg_options
from asl_mmaction.files.mistakes import Mistake

CONFIGS = sorted((Path(__file__).parents[2] / 'configs').rglob('*.py'))


def read(path, *options):
    """With options as a command line gives them."""
    return load_config(str(path), parse_cfg_options(options))


def test_a_config_comes_from_a_file_a_package_or_is_built_already(demo, tmp_path):
    config = load_config(demo.config_path)
    config.compile = True
    changed = load_config(config)
    assert changed.custom_hooks == [*(config.get('custom_hooks') or []), {'type': 'CompileHook'}]
    assert config.compile is True  # the caller's stays
    assert load_config('asl_mmaction::asl/asl_demo.py').model.type == config.model.type
    with pytest.raises(FileNotFoundError, match=r'file but got none\.py, which does not exist'):
        load_config('none.py')
    with pytest.raises(FileNotFoundError, match=r'a config file but got .*, which is a f'):
        load_config(tmp_path)
    with pytest.raises(TypeError, match='expected a config or its path but got int'):
        load_config(3)


def test_a_config_that_is_built_already_is_checked_as_its_file_is(demo):
    for change, error, message in (
        ({'test_data_loader': {}}, ValueError, 'expected test_dataloader but got test_data_loader'),
        (
            {'model.head.num_classes': 'three'},
            TypeError,
            "head.num_classes of type int but got 'th",
        ),
    ):
        config = copy.deepcopy(demo.config)
        config.merge_from_dict(change)
        with pytest.raises(error, match=message):
            load_config(config)
        with pytest.raises(error, match=message):  # as tools/test.py refuses it
            TALInferencer(config, demo.checkpoint)


@pytest.mark.parametrize('option', ['optim_wraper.optimizer.lr=1', 'max_epochs=2'])
def test_an_option_without_effect_is_a_mistake(tiny_config, option):
    # mmengine takes it without a word, be it misspelt or a variable that others were made of.
    name = option.partition('=')[0]
    with pytest.raises(Mistake, match=rf'optim_wrapper.* but got {name}, which has no effect'):
        read(tiny_config, option)


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
    with pytest.raises(Mistake, match=rf'tiny\.py: expected {meant} but got {key}, which has'):
        load_config(tiny_config)


def test_a_variable_of_a_config_is_none(tiny_config):
    names = [
        *('train_pipeline', 'train_batch_size', 'train_loader', 'train_dataset', 'test_subset'),
        *('my_train_dataloader', 'train_dataloader_2', 'eval_cfg', 'test_data', 'tta_model'),
        *('models', 'model2', 'models_dir', 'base_model', 'max_epochs', 'hooks', 'optimizer'),
        *('load', 'resume_from', 'vis_backends', 'work_root'),
    ]
    tiny_config.write_text('\n'.join([tiny_config.read_text(), *(f'{name} = 1' for name in names)]))
    assert set(names) <= load_config(tiny_config).keys()


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_configs_of_this_package_hold_no_mistake(path):
    assert load_config(path)


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ('train_cfg.max_epochs=one', "expected train_cfg.max_epochs of type int but got 'one'"),
        ('train_cfg=3', 'expected train_cfg of type dict but got 3'),
        ('optim_wrapper.optimizer.lr=abc', "optimizer.lr of type float but got 'abc'"),
        (
            'optim_wrapper.optimizer.type=AdamWW',
            'optim_wrapper.optimizer: AdamWW is not in the .*; the nearest there: .*AdamW,',
        ),
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
        (
            'model.head.assigner.center_sampling_radius=x',
            "assigner.center_sampling_radius of type float but got 'x'",
        ),
        ('model.head.num_classes=five', "model.head.num_classes of type int but got 'five'"),
        ('val_evaluator.tiou_thresholds=0.5', 'thresholds of type Mapping or Sequence but got 0.5'),
        ('resume=x', "expected resume of type bool but got 'x'"),
        ('optim_wrapper.optimizer.lr=None', 'optimizer.lr of type float but got None'),
        ('optim_wrapper.clip_grad.max_norm=[1,2]', r'max_norm of type float but got \[1, 2\]'),
        ('model.head.iou_power=None', 'model.head.iou_power of type float but got None'),
        ('model.head.num_classes=[5]', r'model.head.num_classes of type int but got \[5\]'),
        ('model.head.regress_ranges=None', 'regress_ranges of type Sequence but got None'),
    ],
)
def test_a_value_of_another_type_is_a_mistake(tiny_config, option, message):
    with pytest.raises(Mistake, match=message):
        read(tiny_config, option)


@pytest.mark.parametrize(
    'options',
    [
        ['optim_wrapper.type=AmpOptimWrapper', 'optim_wrapper.loss_scale=512.0'],
        ['optim_wrapper.optimizer.weight_decay=0', 'optim_wrapper.clip_grad=None'],
        ['model_wrapper_cfg.type=MMDeepSpeedEngineWrapper'],  # whose package is not installed
        ['train_cfg.type=Unknown', 'train_cfg.count=x', 'train_cfg.other.type=[1]'],
        ['default_hooks.checkpoint.save_best=auto', 'resume=1'],
        ['work_dir=None', 'load_from=None', 'env_cfg=None'],
        ['model.head.assigner.center_sampling_radius=None', 'optim_wrapper.optimizer.betas=[0,1]'],
    ],
)
def test_a_value_that_may_be_right_is_let_through(tiny_config, options):
    assert read(tiny_config, *options)


def test_what_mmaction_annotates_wrongly_is_let_through():
    head = dict(type='TSNHead', average_clips='prob', spatial_type=None)
    assert load_config(Config(dict(model=dict(cls_head=head))))


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
    with pytest.raises(Mistake, match=rf'cannot read .*broken\.py: .*{message}'):
        load_config(path)


def test_a_config_that_is_not_there_is_named(tmp_path):
    with pytest.raises(Mistake, match=r'expected a config file but got .*no\.py'):
        load_config(tmp_path / 'no.py')


def test_no_workers_are_kept_where_there_are_none(tmp_path):
    path = tmp_path / 'a.py'
    path.write_text(
        'train_dataloader = dict(num_workers=4, persistent_workers=True)\n'
        'val_dataloader = dict(num_workers=4, persistent_workers=True)\n'
    )
    config = load_config(path, {'train_dataloader.num_workers': 0})
    assert config.train_dataloader == {'num_workers': 0, 'persistent_workers': False}
    assert config.val_dataloader == {'num_workers': 4, 'persistent_workers': True}


@pytest.mark.parametrize(
    ('options', 'hooks'),
    [
        ({}, []),
        ({'compile': False}, []),
        ({'compile': True}, [{'type': 'CompileHook'}]),
        ({'compile.mode': 'default'}, [{'type': 'CompileHook', 'mode': 'default'}]),
        ({'cuda_graph': True}, [{'type': 'CudaGraphHook'}]),
    ],
)
def test_what_speeds_up_a_step_becomes_a_hook(tmp_path, options, hooks):
    path = tmp_path / 'some.py'
    path.write_text("custom_hooks = [dict(type='EMAHook')]\n")
    config = load_config(path, options)
    assert config.custom_hooks == [{'type': 'EMAHook'}, *hooks]
    assert not {'compile', 'cuda_graph'} & set(config)


@pytest.mark.parametrize('key', ['model', 'test_dataloader'])
@pytest.mark.parametrize(
    'read',
    [TALInferencer, lambda *args: read_action_sensitivity(*args, 'test_0001')],
    ids=['inferencer', 'sensitivity'],
)
def test_a_config_of_less_than_a_model_and_its_data(demo, key, read):
    config = Config({name: value for name, value in demo.config.items() if name != key})
    with pytest.raises(ValueError, match=f'expected a config with model and test_.* got no {key}'):
        read(config, demo.checkpoint)
