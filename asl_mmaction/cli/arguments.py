"""What arguments of tools mean; the tools parse them before they import anything of the stack."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from mmengine.config import DictAction

from asl_mmaction.files.mistakes import Mistake


def parse_cfg_options(settings: Sequence[str], option: str = '--cfg-options') -> dict[str, Any]:
    """Settings KEY=VALUE -> values by key, as mmengine reads them.

    Args:
        settings: The words behind the option.
        option: Its name, for the message.

    Raises:
        Mistake: One has no ``=``.
    """
    for text in settings:
        if '=' not in text:
            raise Mistake(f'expected KEY=VALUE for {option} but got {text}')
    found = argparse.Namespace(values={})
    DictAction([], 'values')(argparse.ArgumentParser(), found, settings)
    return found.values
