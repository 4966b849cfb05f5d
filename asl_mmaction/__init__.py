"""Action Sensitivity Learning for temporal action localization, as a plugin for MMAction2."""

from asl_mmaction import compat  # isort: skip  # first: it checks and repairs the stack
from asl_mmaction import datasets, engine, evaluation, models  # noqa: F401  registers their parts
from asl_mmaction.version import __version__

__all__ = ['__version__', 'compat']
