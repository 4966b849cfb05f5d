"""What a run says once, whatever the number of its workers."""

import itertools
import logging
from multiprocessing.sharedctypes import RawArray

from mmengine.logging import print_log

#: What has been said, of all processes of a run. An array with a lock would settle how processes
#: are started, which is up to the user.
_SAID = RawArray('b', 4096)
_NUMBERS = itertools.count()


class Notice:
    """Something to be said at most once: by one object, its copies, and those in its workers.

    Each data set has a pipeline of its own, whose transforms have their own notices: what is wrong
    with a second data set is said as well.
    """

    def __init__(self) -> None:
        self._place = next(_NUMBERS) % len(_SAID)
        _SAID[self._place] = False

    def warn(self, text: str) -> None:
        """Log a warning, the first time."""
        first, _SAID[self._place] = not _SAID[self._place], True
        if first:
            print_log(text, logger='current', level=logging.WARNING)
