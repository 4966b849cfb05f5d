"""Train a localizer."""

import argparse
from pathlib import Path

import asl_mmaction  # isort: skip  # noqa: F401  first: it checks and repairs the stack
from mmengine.runner import Runner

from asl_mmaction.apis.coverage import warn_of_uncovered
from asl_mmaction.apis.loading import (
    check_classes,
    classes_of,
    dataset_meta,
    load_checkpoint,
    load_weights,
)
from asl_mmaction.apis.loops import check_loops
from asl_mmaction.apis.monitors import check_monitors
from asl_mmaction.apis.schedules import check_schedules
from asl_mmaction.engine.cli import (
    MistakeError,
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
        make_runner(config).train()
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


def make_runner(config) -> Runner:
    """The Runner, once data, model and the checkpoint to resume from, if any, fit each other."""
    path = checkpoint_to_resume(config)
    content = load_training(path) if path else {}
    runner = Runner.from_cfg(config)
    classes = classes_of('train', runner.train_loop) | classes_of('val', runner.val_loop)
    if path:  # the Runner loads it again, with all that belongs to the training
        load_weights(runner.model, content, path)
        classes = {f'the checkpoint {path}': dataset_meta(content).get('classes')} | classes
    check_classes(config, classes)
    check_loops(train=runner.train_loop, val=runner.val_loop)
    warn_of_uncovered(runner.model, runner.train_dataloader.dataset)
    if runner.max_iters < 1:
        raise MistakeError(
            f'expected a training of 1 step or more but got {runner.max_epochs} epochs '
            f'(train_cfg.max_epochs) of {len(runner.train_dataloader)} batches'
        )
    check_schedules(runner)
    check_monitors(runner)
    return runner


def checkpoint_to_resume(config) -> str | None:
    """Path of the checkpoint that the Runner will resume from, or None."""
    if not config.resume or config.load_from:
        return config.load_from if config.resume else None
    pointer = Path(config.work_dir) / 'last_checkpoint'
    return pointer.read_text().strip() if pointer.is_file() else None


def load_training(path: str) -> dict:
    """A checkpoint that holds a training, not weights alone."""
    content = load_checkpoint(path)
    missing = [key for key in ('message_hub', 'optimizer') if key not in content]
    if missing:
        raise MistakeError(
            f'{path}: expected the checkpoint of a training to resume but got one without '
            f'{" and ".join(missing)}; to start from its weights: --cfg-options load_from={path}'
        )
    return content


if __name__ == '__main__':
    raise SystemExit(main())
