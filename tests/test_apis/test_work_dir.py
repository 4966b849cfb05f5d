"""A work dir stands for its config and its last checkpoint."""

import shutil

import pytest

from asl_mmaction.apis.work_dir import find_model


@pytest.fixture
def work_dir(tmp_path):
    folder = tmp_path / 'work'
    folder.mkdir()
    (folder / 'my.py').touch()
    for name in ('epoch_1.pth', 'epoch_2.pth'):
        (folder / name).touch()
    (folder / 'last_checkpoint').write_text(f'{folder}/epoch_2.pth\n')
    return folder


def test_a_work_dir_is_its_config_and_its_last_checkpoint(work_dir):
    assert find_model(str(work_dir), None) == (work_dir / 'my.py', work_dir / 'epoch_2.pth')
    assert find_model(work_dir, 'other.pth') == (work_dir / 'my.py', 'other.pth')
    assert find_model('my.py', work_dir) == ('my.py', work_dir / 'epoch_2.pth')
    assert find_model('my.py', 'other.pth') == ('my.py', 'other.pth')


def test_a_work_dir_that_has_moved(work_dir):
    moved = work_dir.rename(work_dir.with_name('moved'))
    assert find_model(moved, None) == (moved / 'my.py', moved / 'epoch_2.pth')


def test_what_a_work_dir_may_lack(work_dir):
    with pytest.raises(ValueError, match=r'expected a checkpoint beside the config my\.py but got'):
        find_model('my.py', None)
    (work_dir / 'epoch_2.pth').unlink()
    with pytest.raises(FileNotFoundError, match=r'last_checkpoint: .*epoch_2\.pth, which does not'):
        find_model(work_dir, None)
    (work_dir / 'last_checkpoint').unlink()
    with pytest.raises(FileNotFoundError, match='expected a training that wrote'):
        find_model(work_dir, None)
    (work_dir / 'your.py').touch()
    with pytest.raises(ValueError, match=r'expected one config but got my\.py, your\.py: name'):
        find_model(work_dir, None)
    for name in ('my.py', 'your.py'):
        (work_dir / name).unlink()
    with pytest.raises(FileNotFoundError, match='expected the config of a training in'):
        find_model(work_dir, None)


def test_a_copy_of_a_work_dir_has_checkpoints_of_its_own(work_dir):
    """The original is there still, and may have been trained on since."""
    copy = work_dir.with_name('copy')
    shutil.copytree(work_dir, copy)
    assert find_model(copy, None) == (copy / 'my.py', copy / 'epoch_2.pth')
