"""What the unmaintained parts of the OpenMMLab stack need to run on current PyTorch and NumPy.

:func:`repair` checks that the stack is there, in versions that work together, and then repairs it:
a few narrow patches, each made once, each with its reason and the version it can go with. What a
version pin can mend is pinned in ``setup.cfg`` instead. ``asl_mmaction`` calls it before it imports
anything else.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import re
import sys
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any


class MissingRequirementError(ImportError):
    """A piece of the stack is missing, or of a version that does not work."""


# module, what to install, lowest version, first version that is too new. Order of their imports.
REQUIREMENTS = (
    ('torch', 'torch>=2.11', '2.11', None),
    ('mmengine', 'mmengine>=0.10.7,<1.0', '0.10.7', '1.0'),
    ('mmcv', 'mmcv-lite>=2.0.1,<2.2', '2.0.1', '2.2'),
    ('importlib_metadata', 'importlib_metadata', None, None),
    ('mmaction', 'mmaction2>=1.2.0,<1.3', '1.2.0', '1.3'),
)


def check_requirements() -> None:
    """Import the stack, in order.

    Raises:
        MissingRequirementError: with one line that says what to install.
    """
    for name, requirement, low, high in REQUIREMENTS:
        install = f'install it with: pip install "{requirement}"'
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            module = None
        # A folder that a half-removed package left behind imports as a namespace: no origin.
        if module is None or getattr(module, '__file__', None) is None:
            raise MissingRequirementError(
                f'asl_mmaction needs {name}, which is not installed; {install}'
            ) from None
        if low is None:
            continue
        version = module.__version__
        too_old = _release(version) < _release(low)
        if too_old or (high is not None and _release(version) >= _release(high)):
            raise MissingRequirementError(
                f'asl_mmaction needs {requirement} but found {name} {version}; {install}'
            )


def _release(version: str) -> tuple[int, ...]:
    """'2.13.0+cpu' -> (2, 13, 0)."""
    numbers = re.match(r'\d+(?:\.\d+)*', version)
    return tuple(map(int, numbers[0].split('.'))) if numbers else ()


def show_missing_requirement_in_one_line() -> None:
    """End a program that lacks a requirement with the message alone, without a traceback."""
    previous = sys.excepthook

    def excepthook(kind: type, error: BaseException, traceback: Any) -> None:
        if isinstance(error, MissingRequirementError):
            sys.stderr.write(f'{error}\n')
        else:
            previous(kind, error, traceback)

    sys.excepthook = excepthook


def silence_warnings() -> None:
    """Hide what the stack says about itself and no user can do anything about."""
    # mmcv-lite has none, and nothing of ours wants one
    warnings.filterwarnings('ignore', message='Fail to import ``MultiScaleDeformableAttention``')


def supply_drn() -> None:
    """Stand in for ``mmaction.models.localizers.drn``, without which ``mmaction.models`` fails.

    It is neither in the wheel nor in the sdist, for its folder has no ``__init__.py``. Can go with
    the first mmaction2 after 1.2.0 that ships it.
    """
    import mmaction

    if (Path(mmaction.__file__).parent / 'models' / 'localizers' / 'drn' / 'drn.py').is_file():
        return

    class DRN:
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            raise ImportError('DRN is not part of the distribution of mmaction2 1.2.0')

    name = 'mmaction.models.localizers.drn'
    package, module = types.ModuleType(name), types.ModuleType(f'{name}.drn')
    package.__path__ = []
    vars(package)['drn'], vars(module)['DRN'] = module, DRN
    sys.modules[package.__name__], sys.modules[module.__name__] = package, module


def leave_out_multimodal_models() -> None:
    """Keep ``mmaction.models`` from failing where transformers is installed but does not fit.

    mmaction2 1.2.0 asks for transformers>=4.28 alone, but its models need timm as well and break
    on transformers 5. Can go with the first mmaction2 that runs on transformers 5.
    """
    from mmaction.utils import dependency

    try:
        version = importlib.metadata.version('transformers')
    except importlib.metadata.PackageNotFoundError:
        return
    if _release(version) >= (5,) or importlib.util.find_spec('timm') is None:
        dependency.WITH_MULTIMODAL = False


def restore_trapz() -> None:
    """Let mmaction2's ANetMetric (of BMN and its like) compute its area under the curve.

    NumPy 2.4 removed ``trapz`` in favour of ``trapezoid``. Can go with the first mmaction2 after
    1.2.0 that uses the new name.
    """
    import numpy as np
    from mmaction.evaluation.functional import accuracy

    if hasattr(np, 'trapz'):
        return
    renamed = types.ModuleType('numpy', 'NumPy as mmaction.evaluation.functional.accuracy wants it')
    renamed.__dict__.update(vars(np))
    vars(renamed)['trapz'] = np.trapezoid
    accuracy.np = renamed


def find_config_packages() -> None:
    """Let configs inherit from ``asl_mmaction::`` and, wherever it is installed, ``mmaction::``.

    mmengine 0.10.7 knows OpenMMLab's own packages only, looks them up with ``pkg_resources`` (gone
    from setuptools 82, slow, full of warnings) and so misses editable installs and checkouts. Can
    go with a mmengine that does without ``pkg_resources`` and takes other packages.
    """
    import mmengine.config.config
    import mmengine.hub  # noqa: F401  both hold the functions under names of their own
    from mmengine.config import Config
    from mmengine.config.utils import MODULE2PACKAGE
    from mmengine.utils import package_utils

    MODULE2PACKAGE['asl_mmaction'] = 'asl_mmaction'

    def find(package: str) -> Any:
        modules = {distribution: module for module, distribution in MODULE2PACKAGE.items()}
        spec = importlib.util.find_spec(modules.get(package, package))
        return None if spec is None or spec.origin is None else spec

    def is_installed(package: str) -> bool:
        return find(package) is not None

    def get_installed_path(package: str) -> str:
        spec = find(package)
        if spec is None:
            raise ModuleNotFoundError(f'expected {package} to be installed but did not find it')
        return str(Path(spec.origin).parent)

    for function in (is_installed, get_installed_path):
        original = getattr(package_utils, function.__name__)
        for name, module in list(sys.modules.items()):
            if name.startswith('mmengine') and vars(module).get(function.__name__) is original:
                setattr(module, function.__name__, function)

    find_path = Config._get_cfg_path

    def find_path_and_scope(cfg_path: str, filename: str) -> tuple[str, str | None]:
        # mmengine takes the package for the registry scope of what its configs name and writes it
        # into them; our parts are in mmaction's, the default scope of our configs.
        path, scope = find_path(cfg_path, filename)
        return path, None if scope == 'asl_mmaction' else scope

    Config._get_cfg_path = staticmethod(find_path_and_scope)


def allow_checkpoints_of_the_runner() -> None:
    """Let ``torch.load(weights_only=True)`` read what mmengine's Runner saves, and nothing more.

    Since torch 2.6 that is the default, and it refuses the message hub (HistoryBuffer, NumPy
    arrays and numbers) in mmengine 0.10.7's checkpoints. NumPy's own names get the stand-ins of
    ``files.safe_numpy``. A HistoryBuffer pickles its statistics as ``getattr(HistoryBuffer,
    'mean')``. The real getattr would lead a pickle to any function; ours looks up four methods of
    HistoryBuffer. Can go with a mmengine that registers its own types.
    """
    import torch
    from mmengine.logging.history_buffer import HistoryBuffer

    from asl_mmaction.files.safe_numpy import STAND_INS

    def get_statistic(owner: Any, name: str) -> Callable:
        if owner is HistoryBuffer and name in ('min', 'max', 'current', 'mean'):
            return getattr(HistoryBuffer, name)
        raise AttributeError(f'a checkpoint may not look up {name!r} of {owner!r}')

    torch.serialization.add_safe_globals(
        [
            HistoryBuffer,
            (get_statistic, 'builtins.getattr'),
            *((stand_in, name) for name, stand_in in STAND_INS.items()),
        ]
    )


def read_downloads_as_checkpoints() -> None:
    """Read a checkpoint from the web as one from the disk: without running what it may hold.

    torch's ``load_state_dict_from_url``, through which mmengine 0.10.7 loads
    ``load_from='https://...'``, trusts what it gets. Can go with a torch that does not.
    """
    from functools import partial

    from mmengine.runner import checkpoint

    checkpoint.load_url = partial(checkpoint.load_url, weights_only=True)


def let_a_default_hook_be_none() -> None:
    """Take ``default_hooks=dict(name=None)`` as mmengine says: no such hook.

    mmengine 0.10.7 does so for its own six, and fails for those that a config adds, such as ours
    for EMA. Can go with a mmengine that does so for all.
    """
    from mmengine.runner import Runner

    original = Runner.register_default_hooks
    known = {'runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint'}

    def register(self: Runner, hooks: dict | None = None) -> None:
        hooks = hooks or {}
        original(self, {key: hooks[key] for key in hooks if key in known or hooks[key] is not None})

    Runner.register_default_hooks = register


def distribute_on_cpu() -> None:
    """Let ``--launcher pytorch`` run without a GPU, with the gloo backend.

    mmengine 0.10.7 selects a CUDA device even where there is none, and hands its index to
    DistributedDataParallel. Can go with a mmengine that asks first.
    """
    import torch
    from mmengine.dist import utils
    from mmengine.model import MMDistributedDataParallel

    if torch.cuda.is_available():
        return

    def init_dist(backend: str, init_backend: str = 'torch', **kwargs: Any) -> None:
        backend = 'gloo' if backend == 'nccl' else backend
        torch.distributed.init_process_group(backend=backend, **kwargs)

    original = MMDistributedDataParallel.__init__

    def init(self, module: torch.nn.Module, *args: Any, **kwargs: Any) -> None:
        kwargs['device_ids'] = None
        original(self, module, *args, **kwargs)

    utils._init_dist_pytorch = init_dist
    MMDistributedDataParallel.__init__ = init


def lay_out_configs_once() -> None:
    """Keep how the last config was laid out, which takes yapf 0.15 s and more.

    mmengine 0.10.7 asks for it for the log, the dumped config and each checkpoint. Can go with a
    mmengine that does not.
    """
    from mmengine.config import config

    original = config.FormatCode
    kept: dict[tuple[str, str], tuple[str, bool]] = {}

    def lay_out(text: str, **options: Any) -> tuple[str, bool]:
        key = text, repr(options)
        if key not in kept:
            kept.clear()
            kept[key] = original(text, **options)
        return kept[key]

    config.FormatCode = lay_out


#: In the order in which they are made.
PATCHES: tuple[Callable[[], None], ...] = (
    silence_warnings,
    supply_drn,
    leave_out_multimodal_models,
    restore_trapz,
    find_config_packages,
    allow_checkpoints_of_the_runner,
    read_downloads_as_checkpoints,
    let_a_default_hook_be_none,
    distribute_on_cpu,
    lay_out_configs_once,
)


def repair(without: str | None = None) -> None:
    """Check the stack, see :func:`check_requirements`, and patch it, but for ``without``."""
    show_missing_requirement_in_one_line()
    check_requirements()
    for patch in PATCHES:
        if patch.__name__ != without:
            patch()
