"""The config and the checkpoint that a training left in its work dir."""

from __future__ import annotations

import os
from pathlib import Path

from mmengine.config import Config

from asl_mmaction.files.mistakes import FileMistake, ValueMistake


def find_model(
    model: str | os.PathLike | Config, checkpoint: str | os.PathLike | None
) -> tuple[str | os.PathLike | Config, str | os.PathLike]:
    """Config and checkpoint of a model.

    Args:
        model: Work dir of a training, or a config as :func:`~asl_mmaction.apis.load_config` takes
            it.
        checkpoint: Of the model. None: the last one in the work dir.

    Raises:
        FileNotFoundError: The work dir has no config or no last checkpoint.
        ValueError: It has several configs, or there is neither a work dir nor a checkpoint.
    """
    if isinstance(model, (str, os.PathLike)) and Path(model).is_dir():
        folder = Path(model)
        return _find_config(folder), last_checkpoint(folder) if checkpoint is None else checkpoint
    if checkpoint is None:
        raise ValueMistake(f'expected a checkpoint beside the config {model} but got none')
    if Path(checkpoint).is_dir():
        checkpoint = last_checkpoint(Path(checkpoint))
    return model, checkpoint


def _find_config(folder: Path) -> Path:
    configs = sorted(folder.glob('*.py'))
    if len(configs) > 1:
        names = ', '.join(path.name for path in configs)
        raise ValueMistake(
            f'{folder}: expected one config but got {names}: name the config and the checkpoint'
        )
    if not configs:
        raise FileMistake(f'expected the config of a training in {folder} but got none')
    return configs[0]


def last_checkpoint(folder: Path) -> Path:
    """The checkpoint that ``last_checkpoint`` in a work dir names; a copy has its own.

    Raises:
        FileNotFoundError: There is no such file, or no such checkpoint.
    """
    pointer = folder / 'last_checkpoint'
    if not pointer.is_file():
        raise FileMistake(
            f'expected a training that wrote {pointer} but got none: name a checkpoint'
        )
    named = Path(pointer.read_text().strip())
    for path in (folder / named.name, named):  # of a copy, its own
        if path.is_file():
            return path
    raise FileMistake(f'{pointer}: expected a checkpoint but got {named}, which does not exist')
