"""Errors that say what the user is to mend: told apart from bugs by their type."""


class Mistake(Exception):
    """The user can mend what is wrong, and the message is all that they need for it.

    The tools report it in one line, without a traceback. Raised as it is where a tool alone knows
    of it; the classes below are for all others, who may be called from Python.
    """


class ValueMistake(Mistake, ValueError):
    """A value, or the content of a file, that is not as expected."""


class TypeMistake(Mistake, TypeError):
    """A value of another type than expected."""


class FileMistake(Mistake, FileNotFoundError):
    """A file or folder that is not there."""


class FileExistsMistake(Mistake, FileExistsError):
    """A file or folder that is in the way."""


class PackageMistake(Mistake, ImportError):
    """A package that is not installed."""
