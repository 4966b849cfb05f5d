"""What tools/train.py does before the first step."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner

from asl_mmaction.apis.classes import check_classes, classes_of
from asl_mmaction.apis.work_dir import last_checkpoint
from asl_mmaction.cli.checks.clicks import warn_of_unread_clicks
from asl_mmaction.cli.checks.coverage import warn_of_uncovered
from asl_mmaction.cli.checks.loops import check_loops
from asl_mmaction.cli.checks.monitors import check_monitors
from asl_mmaction.cli.checks.resuming import check_resumed_settings, check_resumed_steps
from asl_mmaction.cli.checks.schedules import check_schedules
from asl_mmaction.cli.checks.starting_weights import describe_starting_weights
from asl_mmaction.cli.runner import build_runner, configure, for_this_run
from asl_mmaction.cli.trial import dry_run, print_config, shorten
from asl_mmaction.files.checkpoint import dataset_meta, load_checkpoint, load_weights
from asl_mmaction.files.mistakes import Mistake


def train(args: argparse.Namespace) -> str | None:
    """Train, or what an argument asks for in its place; what is to be printed at the end."""
    if args.print_config is not None:
        config = configure(args)
        apply_arguments(config, args)
        return print_config(config, args.print_config)
    if args.dry_run:
        with tempfile.TemporaryDirectory() as folder:
            args.work_dir = folder
            return dry_run(runner_to_train(args))
    runner_to_train(args).train()
    return None


def runner_to_train(args: argparse.Namespace) -> Runner:
    """The Runner, once data, model and the checkpoint to start from, if any, fit each other."""
    config = configure(args)
    apply_arguments(config, args)
    run, notes = plan_run(config, args)
    path = run.load_from if run.get('resume') else None
    content = load_training(path) if path else {}
    if path:
        notes += check_resumed_settings(config, content, path)
    runner = build_runner(run, config)
    classes = classes_of('train', runner.train_loop) | classes_of('val', runner.val_loop)
    if path:  # the Runner loads it again, with all that belongs to the training
        load_weights(runner.model, content, path, to_train=True)
        classes = {f'the checkpoint {path}': dataset_meta(content).get('classes')} | classes
    check_classes(config, classes)
    check_loops(train=runner.train_loop, val=runner.val_loop)
    warn_of_uncovered(runner.model, runner.train_dataloader.dataset)
    warn_of_unread_clicks(runner.model, runner.train_dataloader.dataset)
    if runner.max_iters < 1:
        raise Mistake(
            f'expected a training of 1 step or more but got {runner.max_epochs} epochs '
            f'(train_cfg.max_epochs) of {len(runner.train_dataloader)} batches'
        )
    check_schedules(runner)
    check_monitors(runner)
    if path:
        notes += check_resumed_steps(runner.train_loop, content, path)
    else:
        notes += describe_starting_weights(runner.model, run, classes)
    for note in notes:
        runner.logger.warning(note)
    return runner


def apply_arguments(config: Config, args: argparse.Namespace) -> None:
    """Change the experiment to what the arguments ask for."""
    if args.epochs is not None:
        shorten(config, args.epochs)
    if args.amp:
        config.optim_wrapper.type = 'BFloat16OptimWrapper'
    if args.auto_scale_lr:
        config.merge_from_dict({'auto_scale_lr.enable': True})
    if args.seed is not None:
        config.merge_from_dict({'randomness.seed': args.seed})


def plan_run(config: Config, args: argparse.Namespace) -> tuple[Config, list[str]]:
    """What to do now, and what to say of it; the config, which is left, is that of any run.

    A ``resume`` of the config alone, which an earlier run may have left there, is taken out of it.
    """
    notes = []
    asked = args.resume
    if config.get('resume'):
        if 'resume' in args.cfg_options:
            asked = asked or config.get('load_from') or 'auto'
        elif asked is None:
            notes.append(f'resume of {args.config} has no effect: the option --resume asks for it')
        if 'load_from' not in args.cfg_options:  # it names what was resumed
            config.load_from = None
    config.resume = False
    run = for_this_run(config, args)
    if args.no_validate:
        run.val_cfg = run.val_dataloader = run.val_evaluator = None
    pointer = Path(run.work_dir) / 'last_checkpoint'
    latest = pointer.read_text().strip() if pointer.is_file() else None
    path = asked
    if asked == 'auto':
        path = str(last_checkpoint(pointer.parent)) if latest else None
    if path:
        run.resume, run.load_from = True, path
    elif asked:
        notes.append(f'no checkpoint in {run.work_dir} to resume from: a training from the start')
    elif latest:
        notes.append(
            f'{run.work_dir} has the checkpoints of another training, up to {Path(latest).name}: '
            'they are replaced or stay beside the new ones'
        )
    return run, notes


def load_training(path: str) -> dict:
    """A checkpoint that holds a training, not weights alone."""
    content = load_checkpoint(path)
    missing = [key for key in ('meta', 'message_hub', 'optimizer') if key not in content]
    if missing:
        raise Mistake(
            f'{path}: expected the checkpoint of a training to resume but got one without '
            f'{" and ".join(missing)}; to start from its weights: --cfg-options load_from={path}'
        )
    if 'config' in content['meta']:  # of another time; the Runner would run its text
        raise Mistake(f"{path}: expected a checkpoint without meta['config'] but got one")
    return content
