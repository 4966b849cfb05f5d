"""Settings of a training as data: out of a checkpoint's text, and compared."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

from asl_mmaction.files.mistakes import ValueMistake


def parse_settings(text: str) -> dict[str, Any]:
    """The config that a checkpoint holds as text (``meta['cfg']``), without running that text.

    mmengine writes ``key = value`` lines of plain values, ``dict(...)``, lists and tuples. Anything
    else stays the text that it is.

    Raises:
        ValueError: it is no Python.
    """
    try:
        return {
            target.id: _value(line.value)
            for line in ast.parse(text).body
            if isinstance(line, ast.Assign)
            for target in line.targets
            if isinstance(target, ast.Name)
        }
    except (SyntaxError, TypeError, ValueError, RecursionError, MemoryError) as error:
        raise ValueMistake(f'expected the text of a config but got {text[:40]!r}') from error


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Dict) and None not in node.keys:
        pairs = zip(node.keys, node.values, strict=True)
        return {_value(key): _value(value) for key, value in pairs if key is not None}
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_value(item) for item in node.elts]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'dict':
        found: dict = {}
        for argument in node.args:  # dict({...}), where a key is no word
            value = _value(argument)
            found |= value if isinstance(value, dict) else {}
        return found | {keyword.arg: _value(keyword.value) for keyword in node.keywords}
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return ast.unparse(node)


def differences(made: Any, asked: Any, where: str) -> Iterator[tuple[str, Any, Any]]:
    """Keys, of levels joined by dots, in which two entries of configs differ, and both values."""
    if isinstance(made, Mapping) and isinstance(asked, Mapping):
        for key in dict.fromkeys((*made, *asked)):
            path = f'{where}.{key}' if where else key
            yield from differences(made.get(key), asked.get(key), path)
    elif isinstance(made, (list, tuple)) and isinstance(asked, (list, tuple)):
        for index, (old, new) in enumerate(zip_longest(made, asked)):
            yield from differences(old, new, f'{where}.{index}')
    elif made != asked:
        yield where, made, asked


def moving_average(config: Mapping) -> dict[str, Any] | None:
    """Settings of the EMA hook of a config, among its default or custom hooks; None: no hook."""
    hooks = [*(config.get('default_hooks') or {}).values(), *(config.get('custom_hooks') or [])]
    for hook in hooks:
        if is_moving_average(hook):
            return {key: value for key, value in hook.items() if key != 'type'}
    return None


def is_moving_average(hook: Any) -> bool:
    """Whether an entry of a config is an EMA hook."""
    return isinstance(hook, Mapping) and str(hook.get('type')).endswith('EMAHook')
