"""PGM of BSN: from what TEM wrote to proposals with features, for PEM.

Reads ``<video>.npy`` (T, 5) that ``tools/test.py --out`` of a bsn_tem config writes and writes
``<video>.npy`` (P, 36): see ``asl_mmaction/baselines/pgm.py``. No annotation is looked at.
"""

import argparse
import sys
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='bsn_pem config; its `pgm` has the settings')
    parser.add_argument('tem', type=Path, help='folder of the files of TEM')
    parser.add_argument('--out', type=Path, help="instead of the config's proposals_dir")
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

import asl_mmaction  # isort: skip  # noqa: F401  first: it checks and repairs the stack
import numpy as np

from asl_mmaction.apis import load_config
from asl_mmaction.baselines.pgm import TEM_COLUMNS, generate_proposals
from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.files.reading import in_context
from asl_mmaction.structures.limits import describe_left_out


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    with report_mistakes():
        config = load_config(args.config)
        if 'pgm' not in config:
            raise ValueMistake(f'{args.config}: expected a config with `pgm` but got none')
        out = args.out or Path(config.proposals_dir)
        count, left_out = convert(args.tem, out, dict(config.pgm))
    if left_out is not None:
        print(left_out)
    print(f'{count} proposals: {out}')
    return 0


def convert(source: Path, out: Path, settings: dict) -> tuple[int, str | None]:
    """Write the proposals of all videos; returns how many, and a line on those left out."""
    files = sorted(source.glob('*.npy'))
    if not files:
        raise ValueMistake(f'{source}: expected .npy files of TEM but got none')
    out.mkdir(parents=True, exist_ok=True)
    count, left_out = 0, {}
    for path in files:
        with in_context(str(path), 'an array of TEM'):
            tem = np.load(path, allow_pickle=False)
        if tem.ndim != 2 or tem.shape[1] != len(TEM_COLUMNS):
            raise ValueMistake(
                f'{path}: expected shape (T, {len(TEM_COLUMNS)}) but got {tem.shape}'
            )
        proposals, left_out[path.stem] = generate_proposals(tem, **settings)
        np.save(out / path.name, proposals)
        count += len(proposals)
    return count, describe_left_out(f'top_k={settings["top_k"]}', 'proposals', left_out)


if __name__ == '__main__':
    sys.exit(main())
