"""Action Sensitivity Learning for temporal action localization, as a plugin for MMAction2."""

from asl_mmaction import compat

compat.repair()  # before anything imports the stack

from asl_mmaction import datasets, engine, evaluation, models  # noqa: E402, F401  registers their parts
from asl_mmaction.version import __version__  # noqa: E402

__all__ = ['__version__', 'compat']
