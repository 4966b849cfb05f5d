"""Memory of programs that run for long."""

import ctypes
import sys

# Parameters of glibc's mallopt.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def keep_freed_memory() -> None:
    """Have the C library keep freed memory for the next tensor.

    glibc asks the system for every block above 32 MB and gives it back when it is freed. The system
    clears the pages each time: with long recordings that takes longer than the computation. Does
    nothing where there is no glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None) if sys.platform == 'linux' else None
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, -1)
        mallopt(M_MMAP_MAX, 0)
