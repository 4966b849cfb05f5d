"""What arguments of tools mean; the tools parse them before they import anything of the stack."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from mmengine.config import DictAction

from asl_mmaction.files.mistakes import Mistake


def parse_cfg_options(settings: Sequence[str]) -> dict[str, Any]:
    """Settings KEY=VALUE -> values by key, as mmengine reads them.

    Args:
        settings: The words behind --cfg-options.

    Raises:
        Mistake: One has no ``=``, or a value that mmengine cannot read, as a dict in braces is.
    """
    values: dict[str, Any] = {}
    for text in settings:
        if '=' not in text:
            raise Mistake(f'expected KEY=VALUE for --cfg-options but got {text}')
        found = argparse.Namespace(values={})
        try:
            DictAction([], 'values')(argparse.ArgumentParser(), found, [text])
        except (AssertionError, RecursionError) as error:  # of unequal or unknown brackets
            raise Mistake(
                'expected a number, a word, (a,b) or [a,b] behind = for --cfg-options but got '
                f'{text}; the values of a dict are set one by one, KEY.NAME=VALUE'
            ) from error
        values.update(found.values)
    return values


def parse_pairs(settings: Sequence[str], option: str) -> dict[str, str]:
    """Settings NAME=VALUE -> values by name, both as they are, blanks and commas too.

    Args:
        settings: The words behind the option.
        option: Its name, for the message.

    Raises:
        Mistake: One has no ``=``.
    """
    wrong = [text for text in settings if '=' not in text]
    if wrong:
        raise Mistake(f'expected NAME=VALUE for {option} but got {wrong[0]}')
    return dict(text.split('=', 1) for text in settings)
