"""Every patch is needed and works; what is missing is named in a line; checkpoints run no code."""

import importlib.util
import json
import os
import pickle
import sys
import types

import numpy as np
import pytest
import torch
from mmengine.logging.history_buffer import HistoryBuffer

from asl_mmaction import compat

# patch -> the error without it (or those of different builds of PyTorch), and whether this
# environment has what it repairs
PATCHES = {
    'silence_warnings': ('MultiScaleDeformable', importlib.util.find_spec('mmcv._ext') is None),
    'supply_drn': ("No module named 'mmaction.models.localizers.drn'", True),
    'leave_out_multimodal_models': ('', importlib.util.find_spec('transformers') is None),
    'restore_trapz': ("has no attribute 'trapz'", not hasattr(np, 'trapz')),
    'find_config_packages': ('pkg_resources', True),
    'allow_checkpoints_of_the_runner': ('Weights only load failed', True),
    'read_downloads_as_checkpoints': ('what a checkpoint holds was run', True),
    'let_a_default_hook_be_none': ('AssertionError', True),
    'distribute_on_cpu': (
        ('_cuda_setDevice', 'Cannot re-initialize CUDA'),
        not torch.cuda.is_available(),
    ),
    'lay_out_configs_once': ('laid out 2 times', True),
}


@pytest.fixture(scope='module')
def outcomes(run_python, pytestconfig):
    done = run_python(pytestconfig.rootpath / 'tests' / 'compat_checks.py')
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize('patch', PATCHES)
def test_each_patch_is_needed_and_works(outcomes, patch):
    error, broken_here = PATCHES[patch]
    without, with_it = outcomes[patch]
    assert with_it == 'ok'
    if not broken_here:
        pytest.skip('nothing to repair in this environment')
    assert without != 'ok'
    errors = (error,) if isinstance(error, str) else error
    assert any(error in without for error in errors)


def test_every_patch_is_tested():
    assert [patch.__name__ for patch in compat.PATCHES] == list(PATCHES)


@pytest.mark.parametrize('name', [row[0] for row in compat.REQUIREMENTS])
def test_a_missing_piece_is_named(monkeypatch, name):
    requirement = next(row[1] for row in compat.REQUIREMENTS if row[0] == name)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError) as error:
        compat.check_requirements()
    assert str(error.value) == (
        f'asl_mmaction needs {name}, which is not installed; '
        f'install it with: pip install "{requirement}"'
    )


def test_the_remains_of_a_removed_package_count_as_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, 'mmcv', types.ModuleType('mmcv'))
    with pytest.raises(ImportError, match='needs mmcv, which is not installed'):
        compat.check_requirements()


@pytest.mark.parametrize(
    ('name', 'version'),
    [('mmcv', '2.2.0'), ('mmcv', '2.0.0rc4'), ('mmengine', '0.10.6'), ('torch', '2.10.1+cu130')],
)
def test_a_version_that_does_not_fit_is_named(monkeypatch, name, version):
    monkeypatch.setattr(sys.modules[name], '__version__', version)
    with pytest.raises(
        ImportError, match=rf'needs {name}.* but found {name} {version}'.replace('+', r'\+')
    ):
        compat.check_requirements()


def test_an_error_inside_a_piece_is_not_taken_for_its_absence(monkeypatch):
    class Broken:
        def find_spec(self, name, path=None, target=None):
            if name == 'mmcv':
                raise ModuleNotFoundError("No module named 'cv2'", name='cv2')

    monkeypatch.delitem(sys.modules, 'mmcv')
    monkeypatch.setattr(sys, 'meta_path', [Broken(), *sys.meta_path])
    with pytest.raises(ModuleNotFoundError, match='cv2'):
        compat.check_requirements()


BLOCK = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)
sys.meta_path.insert(0, Blocked())
"""


@pytest.mark.parametrize(
    'command', [['-c', 'import asl_mmaction'], ['tools/train.py', 'configs/asl/asl_demo.py']]
)
def test_a_program_that_lacks_a_piece_ends_with_one_line(
    run_python, pytestconfig, tmp_path, command
):
    root = pytestconfig.rootpath
    (tmp_path / 'sitecustomize.py').write_text(BLOCK.format(name='torch'))
    path = os.pathsep.join([str(tmp_path), str(root)])
    done = run_python(*command, cwd=root, PYTHONPATH=path)
    assert done.returncode == 1
    assert done.stdout == ''
    assert done.stderr == (
        'asl_mmaction needs torch, which is not installed; '
        'install it with: pip install "torch>=2.11"\n'
    )


def test_other_errors_keep_their_traceback(fresh_process):
    done = fresh_process['done']
    assert done.returncode == 1
    assert 'Traceback' in done.stderr
    assert 'ZeroDivisionError' in done.stderr


class Attack:
    """Calls a function when it is unpickled."""

    def __init__(self, function, *args, state=None):
        self.call = function, args, state

    def __reduce__(self):
        return self.call


RECONSTRUCT, SCALAR = np._core.multiarray._reconstruct, np._core.multiarray.scalar
#: A float64 with a field of Python objects.
FIELDS = {'a': (Attack(np.dtype, 'O'), 0)}
FORGED = Attack(np.dtype, 'f8', False, True, state=(3, '<', None, ('a',), FIELDS, 8, 8, 0))


@pytest.mark.parametrize(
    'attack',
    [
        lambda path: Attack(os.system, f'touch {path}'),
        lambda path: Attack(getattr, HistoryBuffer, '__init__'),
        lambda path: Attack(getattr, np.ndarray, 'tofile'),
        lambda path: Attack(getattr, Attack(getattr, HistoryBuffer, 'mean'), '__globals__'),
        lambda path: Attack(eval, f'open({str(path)!r}, "w")'),
        # NumPy takes what these hold for addresses (all of them 0 here).
        lambda path: Attack(np.ndarray, (1,), Attack(np.dtype, 'f8'), bytes(8)),
        lambda path: Attack(np.ndarray, (1,), Attack(np.dtype, 'O'), bytes(8)),
        lambda path: Attack(SCALAR, Attack(np.dtype, 'O'), bytes(8)),
        lambda path: np.array([None]),
        lambda path: np.zeros(1, dtype=[('a', 'f8')]),
        lambda path: Attack(
            RECONSTRUCT, np.ndarray, (0,), b'b', state=(1, (1,), FORGED, 0, bytes(8))
        ),
    ],
    ids=[
        *('system', 'init', 'tofile', 'globals', 'eval'),
        *('buffer', 'objects', 'object', 'pickled objects', 'fields', 'forged fields'),
    ],
)
def test_checkpoints_run_no_code(tmp_path, attack):
    path, target = tmp_path / 'checkpoint.pth', tmp_path / 'made'
    torch.save({'state_dict': attack(target)}, path)
    with pytest.raises((pickle.UnpicklingError, AttributeError)):
        torch.load(path)
    assert not target.exists()


def test_checkpoints_of_the_runner_keep_their_numbers(tmp_path):
    from mmengine.logging import MessageHub

    values = {
        'float': np.float64(3.5),
        'int': np.int32(-7),
        'bool': np.bool_(True),
        'matrix': np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
        'big': np.arange(3, dtype='>f4'),
    }
    hub = MessageHub('of a test')
    for value in (torch.tensor(1.5), torch.tensor(2.5)):
        hub.update_scalar('train/loss', value)
    hub.update_info_dict(values)
    content = hub.state_dict()
    for round_trip in range(2):  # what was loaded can be saved
        path = tmp_path / f'{round_trip}.pth'
        torch.save(content, path)
        content = torch.load(path)
        history = content['log_scalars']['train/loss']
        assert (history.mean(), history.current()) == (2.0, 2.5)
        for name, value in values.items():
            loaded = content['runtime_info'][name]
            assert loaded.dtype == value.dtype.newbyteorder('=')  # NumPy swaps while it reads
            np.testing.assert_array_equal(loaded, value)


def test_mmengine_itself_loads_safely(tmp_path):
    from mmengine.runner.checkpoint import load_from_local

    path = tmp_path / 'checkpoint.pth'
    torch.save({'state_dict': Attack(os.system, f'touch {tmp_path / "made"}')}, path)
    with pytest.raises(pickle.UnpicklingError):
        load_from_local(str(path), map_location='cpu')
    assert not (tmp_path / 'made').exists()
