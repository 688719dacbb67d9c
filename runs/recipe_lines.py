"""On which line of a recipe's YAML each field stands."""

from __future__ import annotations

from typing import Any

import yaml

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MAX_DEPTH, MAX_FIELDS = 6, 2000


def lines_of(text: str) -> dict[str, int]:
    """The line, from 1, on which each field stands; nothing for a text that cannot be read."""
    try:
        root = yaml.compose(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    found: dict[str, int] = {}
    _note(root, "", found, 0)
    return found


def _note(node: Any, prefix: str, found: dict[str, int], depth: int) -> None:
    if not isinstance(node, yaml.MappingNode) or depth > MAX_DEPTH or len(found) > MAX_FIELDS:
        return
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode):
            path = f"{prefix}{key.value}"
            found.setdefault(path, key.start_mark.line + 1)
            _note(value, f"{path}.", found, depth + 1)
