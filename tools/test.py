"""Test a checkpoint of a localizer."""

import argparse
import os
from pathlib import Path

from asl_mmaction import compat  # noqa: F401  isort: skip  must come before mmengine's Config
from mmengine.config import Config, DictAction
from mmengine.runner import Runner

from asl_mmaction.engine.cli import one_line_errors


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file, or asl_mmaction::asl/asl_hapt.py')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--out', help='folder for detections.json and metrics.json')
    parser.add_argument('--work-dir', help='where the log goes')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='a.b=1 c=[2,3]')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def set_out_dir(cfg: Config, out: str) -> None:
    """Let every TALMetric of the test evaluator write into ``out``."""
    evaluator = cfg.test_evaluator
    metrics = evaluator if isinstance(evaluator, list) else evaluator.get('metrics', [evaluator])
    found = [metric for metric in metrics if metric['type'] == 'TALMetric']
    if not found:
        raise ValueError(
            f'--out: expected a TALMetric in test_evaluator but got {[m["type"] for m in metrics]}'
        )
    for metric in found:
        metric['out_dir'] = out


def main() -> None:
    args = parse_args()
    with one_line_errors(building=True):
        if not Path(args.checkpoint).is_file():
            raise FileNotFoundError(f'no checkpoint {args.checkpoint}')
        cfg = Config.fromfile(args.config)
        cfg.launcher = args.launcher
        cfg.load_from = args.checkpoint
        if args.cfg_options:
            cfg.merge_from_dict(args.cfg_options)
        if args.work_dir or not cfg.get('work_dir'):
            cfg.work_dir = args.work_dir or str(Path('work_dirs', Path(args.config).stem))
        if args.out:
            set_out_dir(cfg, args.out)
        runner = Runner.from_cfg(cfg)
    with one_line_errors():
        runner.test()


if __name__ == '__main__':
    main()
