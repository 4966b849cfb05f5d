"""What each patch of asl_mmaction.compat makes possible; run by test_compat.py.

Prints JSON: patch -> [outcome without it, outcome with it], 'ok' or the error. The stack is loaded
once, unrepaired, as if transformers 5 was installed, which mmaction2 does not run with. One fork of
that process makes all patches and runs all checks; each of the others leaves a patch out.
"""

import json
import os
import pickle
import sys
import tempfile
import traceback
import warnings
from importlib.util import find_spec, module_from_spec
from pathlib import Path

FOLDER = tempfile.mkdtemp()
METADATA = Path(FOLDER, 'transformers-5.0.0.dist-info', 'METADATA')
METADATA.parent.mkdir()
METADATA.write_text('Metadata-Version: 2.1\nName: transformers\nVersion: 5.0.0\n')
sys.path.insert(0, FOLDER)

import mmaction.evaluation.functional  # noqa: E402
import mmaction.registry  # noqa: E402, F401
import mmengine.config  # noqa: E402
import mmengine.hub  # noqa: E402, F401
import numpy as np  # noqa: E402
import torch  # noqa: E402

# The package without what its __init__ does: repair the stack, and load all of it.
sys.modules['asl_mmaction'] = module_from_spec(find_spec('asl_mmaction'))

from asl_mmaction import compat  # noqa: E402


def silence_warnings():
    with warnings.catch_warnings(record=True) as caught:
        import mmcv.cnn.bricks.transformer  # noqa: F401
    if caught:
        raise AssertionError(f'warned: {caught[0].message}')


def supply_drn():
    import mmaction.models  # noqa: F401


def leave_out_multimodal_models():
    import mmaction.models  # noqa: F401


def restore_trapz():
    from mmaction.evaluation.functional import average_recall_at_avg_proposals

    truth = {'video': np.array([[0.0, 1.0], [2.0, 3.0]])}
    found = {'video': np.array([[0.0, 1.0, 0.9], [2.0, 3.0, 0.8]])}
    area = average_recall_at_avg_proposals(truth, found, 2, max_avg_proposals=2)[-1]
    if not area > 0:
        raise AssertionError(f'area under the curve is {area}')


def find_config_packages():
    from mmengine.config import Config
    from mmengine.hub import get_config

    sys.modules['pkg_resources'] = None  # as with setuptools 82
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'own.py')
        path.write_text("_base_ = ['mmaction::_base_/schedules/sgd_50e.py']")
        if Config.fromfile(path).train_cfg.max_epochs != 50:
            raise AssertionError('not the config of mmaction2')
        path.write_text("_base_ = ['asl_mmaction::_base_/schedules/adamw_cosine.py']")
        if Config.fromfile(path).optim_wrapper.optimizer.type != 'AdamW':
            raise AssertionError('not the config of asl_mmaction')
        path.write_text("_base_ = ['asl_mmaction::_base_/models/actionformer.py']")
        if '_scope_' in Config.fromfile(path).model:
            raise AssertionError('parts are looked for in a registry of their own')
    get_config('asl_mmaction::_base_/schedules/adamw_cosine.py')


def allow_checkpoints_of_the_runner():
    from mmengine.logging import MessageHub

    hub = MessageHub('hub')
    hub.update_scalar('train/loss', torch.tensor(1.5))
    hub.update_info('epoch', np.float64(3.0))
    hub.update_info('array', np.arange(3, dtype=np.int32))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'checkpoint.pth')
        torch.save({'message_hub': hub.state_dict()}, path)
        content = torch.load(path, weights_only=True)['message_hub']
    buffer = content['log_scalars']['train/loss']
    if (buffer.mean(), buffer.statistics('max')) != (1.5, 1.5):
        raise AssertionError('the log buffer came back changed')
    if content['runtime_info']['array'].tolist() != [0, 1, 2]:
        raise AssertionError('the array came back changed')


class Evil:
    def __reduce__(self):
        return (print, ('the code of a checkpoint ran',))


def read_downloads_as_checkpoints():
    from mmengine.runner import CheckpointLoader

    os.environ['TORCH_HOME'] = tempfile.mkdtemp()
    cached = Path(torch.hub.get_dir(), 'checkpoints', 'evil.pth')
    cached.parent.mkdir(parents=True)
    torch.save({'state_dict': Evil()}, cached)
    try:
        CheckpointLoader.load_checkpoint('https://localhost/evil.pth', 'cpu')
    except pickle.UnpicklingError:
        return
    raise AssertionError('what a checkpoint holds was run')


def let_a_default_hook_be_none():
    from mmengine.runner import Runner

    runner = Runner.__new__(Runner)
    runner._hooks = []
    Runner.register_default_hooks(runner, dict(ema=None, timer=None))
    names = [type(hook).__name__ for hook in runner.hooks]
    if len(names) != 5 or 'IterTimerHook' in names:
        raise ValueError(f'the hooks are {names}')


def distribute_on_cpu():
    from mmengine.dist import init_dist
    from mmengine.model import MMDistributedDataParallel

    address = dict(MASTER_ADDR='127.0.0.1', MASTER_PORT='0', RANK='0', WORLD_SIZE='1')
    os.environ.update(address, LOCAL_RANK='0')
    init_dist('pytorch', backend='nccl')
    MMDistributedDataParallel(module=torch.nn.Linear(1, 1), device_ids=[0])


def lay_out_configs_once():
    from unittest import mock

    from mmengine.config import Config
    from yapf.yapflib import yapf_api

    config = Config({'a': {'b': [1, 2]}})
    parse = mock.Mock(side_effect=yapf_api.pytree_utils.ParseCodeToTree)
    with mock.patch.object(yapf_api.pytree_utils, 'ParseCodeToTree', parse):
        same = config.pretty_text == config.pretty_text
    config.a.b = [3]
    if not (same and '3' in config.pretty_text):
        raise AssertionError('a config is laid out as another one')
    if parse.call_count != 1:
        raise AssertionError(f'a config was laid out {parse.call_count} times')


def outcomes(patches, without=None):
    """Patch -> 'ok' or the error of its check; from a fork that makes all patches but one."""
    read, write = os.pipe()
    if os.fork() == 0:
        found = {}
        try:
            compat.repair(without)
            for patch in patches:
                found[patch] = outcome(globals()[patch])
        finally:
            os.write(write, json.dumps(found).encode())
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        found = json.load(pipe)
    os.wait()
    return found


def outcome(check):
    try:
        check()
    except BaseException as error:
        return ''.join(traceback.format_exception_only(error))[:2000]
    return 'ok'


if __name__ == '__main__':
    names = [patch.__name__ for patch in compat.PATCHES]
    repaired = outcomes(names)
    print(json.dumps({name: [outcomes([name], name)[name], repaired[name]] for name in names}))
