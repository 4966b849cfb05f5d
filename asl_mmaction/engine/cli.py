"""How the command-line tools say what a user got wrong: in one line."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
MISTAKES = (FileNotFoundError, ImportError, KeyError, TypeError, ValueError)


@contextmanager
def one_line_errors(building: bool = False) -> Iterator[None]:
    """End the program with one line and exit code 2 where the user made a mistake.

    A mistake is an error that this package raises itself: a check of a config, a file, an
    annotation. While things are built from a config, those that the registries and the config
    reader raise are mistakes as well. Everything else is a bug and keeps its traceback.

    Args:
        building: Whether the body only builds things from a config.
    """
    try:
        yield
    except MISTAKES as error:
        if not building and not _is_ours(error):
            raise
        # KeyError quotes its message; a data-loading worker sends its whole traceback.
        message = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
        lines = [line for line in message.strip().splitlines() if line.strip()]
        print(f'error: {lines[-1] if lines else type(error).__name__}', file=sys.stderr)
        raise SystemExit(2) from None


def _is_ours(error: BaseException) -> bool:
    """Whether the first error of the chain was raised by a line of this package."""
    if 'in DataLoader worker process' in str(error):
        return f'{PACKAGE.name}/' in str(error).rpartition('File "')[2]
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and PACKAGE in Path(trace.tb_frame.f_code.co_filename).parents
