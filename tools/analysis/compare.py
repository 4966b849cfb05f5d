"""Train several configs with several seeds and print one table in Markdown.

Every run is ``tools/train.py`` and then ``tools/test.py`` on its last checkpoint, in
``WORK_DIR/<config>/seed_<seed>``. A run that already has its metrics.json is not repeated, so that
an interrupted comparison goes on where it stopped.

Example:
    python tools/analysis/compare.py configs/actionformer/actionformer_hapt.py \
        configs/asl/asl_hapt.py --seeds 0 1 2 --keys mAP mAP_strict
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[1]


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('configs', nargs='+', type=Path, help='config files; the first is the base')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument('--keys', nargs='+', default=['mAP'], help='metrics to print')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/compare'))
    parser.add_argument('--jobs', type=int, default=1, help='runs at a time, one CPU thread each')
    parser.add_argument('--amp', action='store_true', help='train in bfloat16 mixed precision')
    return parser.parse_args()


def run(config: Path, seed: int, args: argparse.Namespace) -> dict | None:
    """Train and test once; metrics, or None if either failed (its output is in train.log)."""
    work_dir = args.work_dir / config.stem / f'seed_{seed}'
    result = work_dir / 'metrics.json'
    if not result.is_file():
        work_dir.mkdir(parents=True, exist_ok=True)
        env = dict(os.environ, OMP_NUM_THREADS='1') if args.jobs > 1 else None
        train = [TOOLS / 'train.py', config, '--work-dir', work_dir, '--seed', seed]
        train += ['--no-validate', *(['--amp'] if args.amp else [])]
        with open(work_dir / 'train.log', 'w') as log:
            if _call(train, log, env):
                return None
            checkpoint = (work_dir / 'last_checkpoint').read_text().strip()
            test = [TOOLS / 'test.py', config, checkpoint, '--out', work_dir]
            if _call([*test, '--work-dir', work_dir], log, env):
                return None
    return json.loads(result.read_text())['metrics']


def _call(command: list, log, env: dict | None) -> int:
    command = [sys.executable, *map(str, command)]
    return subprocess.run(command, stdout=log, stderr=log, env=env).returncode


def table(results: dict[str, list[dict]], keys: list[str]) -> str:
    """Mean, sample standard deviation and every seed; the difference is to the first row."""
    lines = ['| config | ' + ' | '.join(f'{key} | to base' for key in keys) + ' |']
    lines.append('|---|' + '---|---|' * len(keys))
    base = next(iter(results.values()))
    for name, runs in results.items():
        cells = []
        for key in keys:
            values = [run[key] * 100 for run in runs]
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            mean = statistics.mean(values)
            difference = mean - statistics.mean(run[key] * 100 for run in base)
            each = ' / '.join(f'{value:.1f}' for value in values)
            cells.append(f'{mean:.2f} ± {spread:.2f} ({each}) | {difference:+.2f}')
        lines.append(f'| {name} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def main() -> int:
    args = parse_args()
    todo = [(config, seed) for seed in args.seeds for config in args.configs]
    with ThreadPoolExecutor(args.jobs) as pool:
        done = list(pool.map(lambda job: run(*job, args), todo))
    results: dict[str, list[dict]] = {}
    for (config, seed), metrics in zip(todo, done, strict=True):
        if metrics is None:
            log = args.work_dir / config.stem / f'seed_{seed}' / 'train.log'
            print(f'{config.stem}, seed {seed} failed: see {log}', file=sys.stderr)
        else:
            results.setdefault(config.stem, []).append(metrics)
    if results:
        print(table(results, args.keys))
    return int(None in done)


if __name__ == '__main__':
    sys.exit(main())
