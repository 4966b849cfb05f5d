"""A user's mistake ends a tool with one line; a bug keeps its traceback."""

from __future__ import annotations

import errno
import inspect
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from asl_mmaction.apis.config_types import argument_types
from asl_mmaction.files.mistakes import Mistake
from asl_mmaction.files.writing import hint_at_nearest

# Packages whose constructors check what a config gives them.
STACK = {'mmaction', 'mmcv', 'mmengine', 'numpy', 'torch', *sys.stdlib_module_names}


@contextmanager
def report_mistakes() -> Iterator[None]:
    """End the program with one line and exit code 2 for a user's mistake; let a bug through."""
    try:
        yield
    except Exception as error:
        line = describe_mistake(error)
        if line is None:
            raise
        sys.stderr.write(f'{Path(sys.argv[0]).name}: error: {line}\n')
        raise SystemExit(2) from error


def describe_mistake(error: Exception) -> str | None:
    """One line that says what to mend, or None if the error is a bug.

    A mistake is a :class:`Mistake`, a file that cannot be read or written, or an entry of a config
    that a part of the stack does not take.
    """
    # A full disk is found when writing into an open file, whose name the error does not have.
    system = isinstance(error, OSError) and (error.filename or error.errno == errno.ENOSPC)
    known = system or isinstance(error, (Mistake, FileNotFoundError))
    text = _text(error) if known else refusal(error)
    if text is None:
        return None
    # A data loader's worker passes its error on behind a traceback of its own.
    if text.startswith('Caught '):
        text = text.strip().rpartition('\n')[2].partition(': ')[2]
    return ' '.join(text.split())


def refusal(error: Exception) -> str | None:
    """A line on what is not taken of a config, known by where the error was raised; None: a bug.

    It is raised in one of these places, before the training or the test runs:

    1. In mmengine's registries or Runner: there is no such type, or the part that is built has no
       such argument, which Python finds out where it is called.
    2. In a constructor that hands on its ``**kwargs``: no base has such an argument.
    3. Below a constructor of the stack that mmengine has called: a value is not what it takes.

    What our code or the user's raises, or gives such a constructor by itself, is a bug.
    """
    if not isinstance(error, (AssertionError, AttributeError, KeyError, TypeError, ValueError)):
        return None
    part, by_mmengine, module, hands_on = None, False, '', False
    for frame, _ in traceback.walk_tb(error.__traceback__):
        code, module = frame.f_code, frame.f_globals['__name__']
        package, constructs = module.partition('.')[0], code.co_name == '__init__'
        if module == 'mmengine.runner.loops' and code.co_name == 'run':
            return None
        hands_on = constructs and bool(code.co_flags & inspect.CO_VARKEYWORDS)
        if package not in STACK:
            part, by_mmengine = None, False
        elif constructs and by_mmengine:
            part = type(frame.f_locals[code.co_varnames[0]]).__name__
        by_mmengine |= package == 'mmengine'
    text = _text(error)
    builder = module.startswith(('mmengine.registry.', 'mmengine.runner.'))
    if (builder and isinstance(error, (KeyError, TypeError))) or (
        hands_on and isinstance(error, TypeError)
    ):
        return text + _nearest(error)
    return part and f'{part} does not take what the config gives it: {text}'


def _nearest(error: Exception) -> str:
    """What there is in place of a name that the part being built, or its registry, does not have.

    Empty for another mistake.
    """
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        found = frame.f_locals
        if frame.f_code.co_name != 'build_from_cfg' or 'obj_cls' not in found:
            continue
        if found['obj_cls'] is None:
            return hint_at_nearest([found['obj_type']], found['registry'].module_dict)
        names = argument_types(found['obj_cls'])
        return hint_at_nearest([name for name in found['args'] if name not in names], names)
    return ''


def _text(error: Exception) -> str:
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    # What mmengine's registries add is of no help.
    return text.partition('. Please check whether the value of')[0]
