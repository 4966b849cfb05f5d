"""Train a localizer."""

import argparse

import asl_mmaction  # isort: skip  # noqa: F401  first: it checks and repairs the stack
from mmengine.runner import Runner

from asl_mmaction.apis.loading import check_classes, classes_of, load_checkpoint
from asl_mmaction.engine.cli import (
    configure,
    keep_freed_memory,
    make_parser,
    report_mistakes,
)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    keep_freed_memory()
    with report_mistakes():
        config = configure(args)
        apply_arguments(config, args)
        if config.resume and config.load_from:
            load_checkpoint(config.load_from)  # refuses, in one line, what is none
        runner = Runner.from_cfg(config)
        classes = classes_of('train', runner.train_loop) | classes_of('val', runner.val_loop)
        check_classes(config, classes)
        runner.train()
    return 0


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='go on from a checkpoint, or without one from the latest in the work dir',
    )
    parser.add_argument('--amp', action='store_true', help='mixed precision (bfloat16), CPU or GPU')
    parser.add_argument('--no-validate', action='store_true', help='no validation while training')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate from auto_scale_lr.base_batch_size to the batch size in use',
    )
    parser.add_argument('--seed', type=int, help='of everything random')
    return parser.parse_args(argv)


def apply_arguments(config, args: argparse.Namespace) -> None:
    """Change the config to what the arguments ask for."""
    if args.resume is not None:
        config.resume = True
        config.load_from = None if args.resume == 'auto' else args.resume
    if args.amp:
        config.optim_wrapper.type = 'BFloat16OptimWrapper'
    if args.no_validate:
        config.val_cfg = config.val_dataloader = config.val_evaluator = None
    if args.auto_scale_lr:
        config.merge_from_dict({'auto_scale_lr.enable': True})
    if args.seed is not None:
        config.merge_from_dict({'randomness.seed': args.seed})


if __name__ == '__main__':
    raise SystemExit(main())
