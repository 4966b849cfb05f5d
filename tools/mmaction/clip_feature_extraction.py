"""mmaction2's own tools/misc/clip_feature_extraction.py, with its arguments.

mmaction2 1.2.0 from PyPI lacks a module that its models import, so there the tool ends before it
begins; here asl_mmaction comes first and mends that. ``LoadFeature`` reads what it writes,
``<video>.mp4.pkl``. tools/data/extract.py is faster, goes on after a stop and writes the grid too.
"""

import runpy
import sys
from pathlib import Path

import asl_mmaction  # isort: skip  # noqa: F401  first: it checks and repairs the stack
import mmaction

TOOL = Path(mmaction.__file__).parent / '.mim' / 'tools' / 'misc' / 'clip_feature_extraction.py'


def main() -> int:
    runpy.run_path(str(TOOL), run_name='__main__')
    return 0


if __name__ == '__main__':
    sys.exit(main())
