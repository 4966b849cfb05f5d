"""Arguments that tools share; reading them loads nothing of the stack."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any


class SettingsAction(argparse.Action):
    """``KEY=VALUE`` arguments as a dict, whose values mmengine's DictAction reads."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        """See argparse."""
        for value in values:
            if '=' not in value:
                parser.error(f'expected KEY=VALUE for {option_string} but got {value}')
        from mmengine.config import DictAction

        read = DictAction(self.option_strings, self.dest)
        read(parser, namespace, values, option_string)


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options``, what :func:`asl_mmaction.apis.load_config` takes."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=SettingsAction,
        default={},
        metavar='KEY=VALUE',
        help='settings that override those of the config, e.g. train_dataloader.batch_size=4',
    )


def make_parser(description: str) -> argparse.ArgumentParser:
    """A parser with the arguments that tools/train.py and tools/test.py have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder for logs and checkpoints')
    add_cfg_options(parser)
    parser.add_argument(
        '--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='of jobs'
    )
    # torch.distributed.launch passes it, torchrun does not.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    return parser


def parse_cfg_options(settings: Sequence[str]) -> dict[str, Any]:
    """Settings KEY=VALUE -> values by key, as ``--cfg-options`` has them."""
    parser = argparse.ArgumentParser()
    add_cfg_options(parser)
    return parser.parse_args(['--cfg-options', *settings] if settings else []).cfg_options
