"""The config that a run leaves: after its first step, and not over that of a training."""

from types import SimpleNamespace

import pytest
from mmengine.config import Config

from asl_mmaction.cli.runner import RecordHook


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
