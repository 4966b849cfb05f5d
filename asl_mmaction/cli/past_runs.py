"""What runs were made with, and whether they can stand beside those that are asked for."""

import reprlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from asl_mmaction.apis.config import RUNNER_KEYS, load_config
from asl_mmaction.cli.settings import differences, is_moving_average, moving_average
from asl_mmaction.files.mistakes import FileMistake, Mistake, ValueMistake
from asl_mmaction.files.reading import in_context, read_object

#: In the folder of a run; without one, it was made without options.
OPTIONS = 'options.json'
# Keys that do not change the numbers: these are of the last checkpoint, and nothing is validated.
WITHOUT_EFFECT = (
    *('default_hooks.checkpoint', 'default_hooks.logger', 'env_cfg', 'experiment_name'),
    *('launcher', 'log_level', 'log_processor', 'randomness.seed', 'resume'),
    *('test_dataloader.pin_memory', 'train_dataloader.pin_memory'),
    *('val_cfg', 'val_dataloader', 'val_evaluator', 'visualizer', 'work_dir'),
)


def check_seeds(seeds: Sequence[int]) -> None:
    """Let no run count twice.

    Raises:
        Mistake: A seed is given twice.
    """
    if len(set(seeds)) < len(seeds):
        raise Mistake(f'expected --seeds once each but got {" ".join(map(str, seeds))}')


def check_options(folder: Path, asked: dict) -> None:
    """Let no run be used that was made with other options than those asked for.

    Args:
        folder: Of the run; one without options.json was made without any.
        asked: ``amp``, ``cfg_options`` and ``epochs`` (None: the config's), as options.json has
            them.

    Raises:
        Mistake: They differ.
    """
    made = {'amp': False, 'cfg_options': [], 'epochs': None}
    if (folder / OPTIONS).is_file():
        made = {'epochs': None, **read_object(folder / OPTIONS)}
        with in_context(str(folder / OPTIONS), 'amp and cfg_options'):
            _words(made)
    if made != asked:
        raise Mistake(
            f'expected runs made with {_words(asked)} but {folder} was made with '
            f'{_words(made)}: name another --work-dir, or delete that folder'
        )


def check_config(path: Path, asked: Config, without: Sequence[str] = WITHOUT_EFFECT) -> None:
    """Let no run be used that was made with the config as it was before it was changed.

    Args:
        path: Of the config that the Runner left with the run; if there is none, nothing is known.
        asked: The config as it is today.
        without: Keys that may differ.

    Raises:
        Mistake: They differ in what changes the numbers.
    """
    if not path.is_file():
        return
    made = load_config(path)
    found = [
        difference
        for difference in differences(comparable(made), comparable(asked), '')
        if not any(f'{difference[0]}.'.startswith(f'{name}.') for name in without)
        and not difference[0].endswith('.out_dir')
    ]
    if found:
        key, old, new = found[0]
        more = f' (and {len(found) - 1} more)' if len(found) > 1 else ''
        raise Mistake(
            f'expected runs with {key}={reprlib.repr(new)} as {path.name} says today but '
            f'{path.parent} was made with {reprlib.repr(old)}{more}: name another --work-dir, or '
            'delete that folder'
        )


def comparable(config: Config) -> dict[str, Any]:
    """What the Runner reads, with the moving average in one place: it once was a custom hook."""
    hooks = {
        key: hook
        for key, hook in (config.get('default_hooks') or {}).items()
        if not is_moving_average(hook)
    }
    customs = [hook for hook in config.get('custom_hooks') or [] if not is_moving_average(hook)]
    return {
        **{key: config.get(key) for key in RUNNER_KEYS},
        'default_hooks': {**hooks, 'ema': moving_average(config)},
        'custom_hooks': customs,
    }


def _words(options: dict) -> str:
    epochs = [] if options['epochs'] is None else [f'--epochs {options["epochs"]}']
    words = [*(['--amp'] if options['amp'] else []), *epochs, *options['cfg_options']]
    return ' '.join(words) or 'no options'


def read_metrics(folder: Path) -> dict[str, float]:
    """Metrics of the run in a folder.

    Raises:
        ValueError: metrics.json is damaged.
    """
    content = read_object(folder / 'metrics.json')
    with in_context(str(folder / 'metrics.json'), 'metrics by name'):
        return {name: float(value) for name, value in content['metrics'].items()}


def name_of(run: Path, runs: Sequence[Path]) -> str:
    """The shortest end of the path that no other run has.

    Raises:
        ValueError: A run is given twice.
    """
    parts = run.resolve().parts
    for count in range(1, len(parts)):
        name = '/'.join(parts[-count:])
        if sum(f'/{other.resolve()}'.endswith(f'/{name}') for other in runs) == 1:
            return name
    raise ValueMistake(f'expected each run once but got {run} twice')


def seeds_of(run: Path) -> list[Path]:
    """The folders ``seed_<seed>`` of a run, or the run alone where there are none."""
    return sorted(run.glob('seed_*'), key=lambda path: (len(path.name), path.name)) or [run]


def results_of(run: Path) -> list[Path]:
    """Files of the detections of a run, of each seed.

    Args:
        run: A folder with ``detections.json`` or else ``proposals.json``; a folder of such folders
            ``seed_<seed>``; or such a file.

    Raises:
        FileNotFoundError: There is none.
    """
    if run.is_file():
        return [run]
    found = []
    for folder in seeds_of(run):
        files = [folder / name for name in ('detections.json', 'proposals.json')]
        path = next((path for path in files if path.is_file()), None)
        if path is None:
            raise FileMistake(
                f'expected detections.json in {folder}, as tools/test.py --out writes it, but got '
                'none'
            )
        found.append(path)
    return found
