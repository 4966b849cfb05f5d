"""Where the machine code of SoftNMS is kept, and who can use it. Its results: test_soft_nms.py."""

import importlib.util
import shutil
from itertools import count
from pathlib import Path

import numba
import numpy as np
import pytest
from torch.utils.data import DataLoader

from asl_mmaction.ops import soft_nms_loop
from asl_mmaction.ops.soft_nms import soft_nms

SEGMENTS = np.array([[0.0, 10.0], [0.0, 5.0]])
numbers = count()


def scores(loop):
    starts, ends = SEGMENTS.T.copy()
    ranks, firsts = np.arange(2), np.array([0, 2])
    args = starts, ends, np.array([0.5, 0.4]), ranks, firsts, 0, 0.5, 0.1, 0.1, 9
    return loop.pick_greedily(*args)[1]


def loaded_anew(path):
    """The module in a file, as a process that has not loaded it sees it."""
    spec = importlib.util.spec_from_file_location(f'copy_{next(numbers)}', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """The file in a folder of its own, where only that folder can keep machine code."""
    nowhere = tmp_path / 'a file'
    nowhere.touch()
    for name in ('HOME', 'XDG_CACHE_HOME', 'LOCALAPPDATA'):
        monkeypatch.setenv(name, str(nowhere))
    monkeypatch.setattr(numba.config, 'CACHE_DIR', '')
    (tmp_path / 'package').mkdir()
    return Path(shutil.copy(soft_nms_loop.__file__, tmp_path / 'package' / 'soft_nms_loop.py'))


def test_the_next_process_loads_what_the_first_compiled_unless_it_is_damaged(copy):
    first = scores(loaded_anew(copy))
    kept = {path: path.stat().st_ino for path in copy.parent.rglob('*.nb?')}
    assert kept
    assert scores(loaded_anew(copy)).tolist() == first.tolist()
    assert {path: path.stat().st_ino for path in copy.parent.rglob('*.nb?')} == kept
    for path in kept:
        path.write_bytes(b'')
    assert scores(loaded_anew(copy)).tolist() == first.tolist()


def test_runs_where_nothing_can_be_kept(copy):
    (copy.parent / '__pycache__').touch()  # no folder can be made; root may write to any other
    np.testing.assert_allclose(scores(loaded_anew(copy)), [0.5, 0.4 * np.exp(-0.5)])
    assert {path.name for path in copy.parent.iterdir()} == {copy.name, '__pycache__'}


class Videos:
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return soft_nms(SEGMENTS, np.array([0.5, 0.4 - 0.1 * index]), voting_threshold=0.4)


@pytest.mark.filterwarnings('ignore:This process .* is multi-threaded:DeprecationWarning')
def test_workers_forked_after_the_first_call_run_it_too():
    here = [Videos()[index] for index in range(4)]
    loader = DataLoader(
        Videos(), batch_size=None, num_workers=2, collate_fn=tuple, multiprocessing_context='fork'
    )
    for ours, theirs in zip(here, loader, strict=True):
        np.testing.assert_array_equal(ours.segments, theirs[0])
        np.testing.assert_array_equal(ours.scores, theirs[1])
