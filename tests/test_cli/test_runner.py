"""The config that a run leaves: after its first step, and not over that of a training."""

from types import SimpleNamespace

import pytest
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.runner import Runner

from asl_mmaction.cli.runner import RecordedRunner, RecordHook, configure, for_this_run


@pytest.fixture
def runner(tmp_path):
    path = tmp_path / 'own.py'
    path.write_text('lr = 1\n')
    for folder in ('work', 'work/log'):
        (tmp_path / folder).mkdir()
    return SimpleNamespace(
        cfg=Config.fromfile(path),
        work_dir=str(tmp_path / 'work'),
        log_dir=str(tmp_path / 'work/log'),
    )


def written(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob('own.py'))


def test_a_training_leaves_its_config_after_the_first_step(runner, tmp_path):
    (tmp_path / 'work/own.py').write_text('lr = 2\n')  # of a training before
    (tmp_path / 'work/last_checkpoint').write_text('epoch_2.pth')
    hook = RecordHook()
    hook.before_train(runner)
    assert Config.fromfile(tmp_path / 'work/own.py').lr == 2
    hook.after_train_iter(runner, 0, None, {})
    assert Config.fromfile(tmp_path / 'work/own.py').lr == 1
    (tmp_path / 'work/own.py').unlink()
    hook.after_train_iter(runner, 1, None, {})
    assert written(tmp_path / 'work') == []  # once


@pytest.mark.parametrize('training', [True, False])
def test_a_test_leaves_its_config_beside_that_of_a_training(runner, tmp_path, training):
    if training:
        (tmp_path / 'work/last_checkpoint').write_text('epoch_2.pth')
    hook = RecordHook()
    hook.before_test(runner)
    assert written(tmp_path / 'work') == []
    hook.after_test_iter(runner, 0, None, {})
    assert written(tmp_path / 'work') == ['log/own.py' if training else 'own.py']


def arguments(config, **given):
    defaults = {'work_dir': None, 'cfg_options': {}, 'launcher': 'none', 'local_rank': 0}
    return SimpleNamespace(config=str(config), **{**defaults, **given})


def test_config_takes_the_arguments(tiny_config):
    options = {
        'train_dataloader.batch_size': 7,
        'optim_wrapper.accumulative_counts': 2,
        'find_unused_parameters': True,
    }
    args = arguments(tiny_config, work_dir='out', cfg_options=options)
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


def test_the_best_checkpoint_of_another_folder_is_left_alone(tmp_path, monkeypatch):
    """mmengine removes what it takes for the best so far as soon as there is a better one."""

    def restore(runner, filename, resume_optimizer=True):
        runner.message_hub.update_info('best_ckpt', filename)
        runner.message_hub.update_info('last_ckpt', filename)

    monkeypatch.setattr(Runner, 'resume', restore)
    for folder, kept in ((tmp_path / 'other', False), (tmp_path, True)):
        runner = object.__new__(RecordedRunner)
        runner.message_hub, runner._work_dir = MessageHub(f'resumed {kept}'), str(tmp_path)
        runner.resume(str(folder / 'best_mAP_epoch_2.pth'), resume_optimizer=False)
        assert ('best_ckpt' in runner.message_hub.runtime_info) == kept
        assert 'last_ckpt' in runner.message_hub.runtime_info
