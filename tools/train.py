"""Train a localizer from a config."""

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
    parser.add_argument('--work-dir', help='where logs and checkpoints go')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='a checkpoint; without one, the latest of the work dir if there is any',
    )
    parser.add_argument('--amp', action='store_true', help='bfloat16 mixed precision')
    parser.add_argument('--no-validate', action='store_true', help='do not evaluate in training')
    parser.add_argument(
        '--auto-scale-lr', action='store_true', help='scale the learning rate by the batch size'
    )
    parser.add_argument('--seed', type=int, help='random seed (default: that of the config)')
    parser.add_argument(
        '--deterministic', action='store_true', help='deterministic algorithms, also on the GPU'
    )
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='a.b=1 c=[2,3]')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def merge_args(cfg: Config, args: argparse.Namespace) -> None:
    cfg.launcher = args.launcher
    if args.cfg_options:
        cfg.merge_from_dict(args.cfg_options)
    if args.work_dir or not cfg.get('work_dir'):
        cfg.work_dir = args.work_dir or str(Path('work_dirs', Path(args.config).stem))
    if args.resume:
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume
    if args.amp:
        cfg.optim_wrapper.type = 'BFloat16OptimWrapper'
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
        cfg.default_hooks.checkpoint.save_best = None
    if args.auto_scale_lr:
        if 'auto_scale_lr' not in cfg:
            raise ValueError(
                f'--auto-scale-lr: expected auto_scale_lr in {args.config} but got none'
            )
        cfg.auto_scale_lr.enable = True
    randomness = cfg.setdefault('randomness', {})
    if args.seed is not None:
        randomness.seed = args.seed
    if args.deterministic:
        randomness.deterministic = True


def main() -> None:
    args = parse_args()
    with one_line_errors(building=True):
        if args.resume not in (None, 'auto') and not Path(args.resume).is_file():
            raise FileNotFoundError(f'--resume: no checkpoint {args.resume}')
        cfg = Config.fromfile(args.config)
        merge_args(cfg, args)
        runner = Runner.from_cfg(cfg)
    with one_line_errors():
        runner.train()


if __name__ == '__main__':
    main()
