"""Changing single fields of a recipe's YAML in place, so that its comments and its order stay.

The text is patched where the parser says that a value stands, and read again: where that did not come out as
wanted, the recipe is written anew, without its comments.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import yaml

from training.recipe import Recipe, RecipeError
from training.recipe_reading import load_yaml

REMOVED = object()
# Beyond so many fields at once the text is not patched one by one.
MAX_PATCHED = 40
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_ORDER = ("version", "task", "base_model", "init", "network", "dataset")


def patched(text: str, changes: Mapping[str, Any]) -> tuple[str, bool]:
    """The text with these fields set (or REMOVED), and whether its comments are still there.

    `text` is a mapping that can be read.
    """
    wanted = _with(load_yaml(text) or {}, changes)
    if not changes:
        return text, True
    found = text
    if len(changes) <= MAX_PATCHED:
        try:
            for path, value in changes.items():
                found = _set(found, path.split("."), value)
            if load_yaml(found) == wanted:
                return found, True
        except (yaml.YAMLError, RecipeError, ValueError, RecursionError):
            pass
    plain = yaml.safe_dump(wanted, sort_keys=False, allow_unicode=True) if wanted else ""
    return _heading(text) + plain, "#" not in text.removeprefix(_heading(text))


def _with(plain: Any, changes: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = deepcopy(plain) if isinstance(plain, dict) else {}
    for path, value in changes.items():
        _put(found, path.split("."), value)
    return found


def _put(place: dict[str, Any], path: list[str], value: Any) -> None:
    name, rest = path[0], path[1:]
    if not rest:
        if value is REMOVED:
            place.pop(name, None)
        else:
            place[name] = value
        return
    inner = place.get(name)
    if not isinstance(inner, dict):
        if value is REMOVED:
            return
        inner = place[name] = {}
    _put(inner, rest, value)
    if not inner and value is REMOVED:
        del place[name]


def _heading(text: str) -> str:
    """The comment that the text begins with."""
    lines = text.splitlines(keepends=True)
    count = next((n for n, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return "".join(lines[:count])


def _set(text: str, path: list[str], value: Any) -> str:
    root = yaml.compose(text, Loader=_Loader)
    if root is None or _is_empty(root):
        heading = text if text.endswith("\n") or not text else text + "\n"
        return text if value is REMOVED else heading + _lines(path, value, 0)
    if not isinstance(root, yaml.MappingNode):
        raise ValueError("no mapping")
    node, done = root, 0
    pairs = []
    while done < len(path) and isinstance(node, yaml.MappingNode):
        pair = next(((k, v) for k, v in node.value if k.value == path[done]), None)
        if pair is None:
            break
        pairs.append((node, *pair))
        node, done = pair[1], done + 1
    if value is REMOVED:
        return _without(text, pairs) if done == len(path) else text
    if done == len(path) or not isinstance(node, yaml.MappingNode):
        return _replaced(text, pairs[-1][1], node, _nested(path[done:], value))
    return _added(text, node, path[done:], value)


def _is_empty(node: Any) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.value in ("", "~", "null")


def _nested(path: list[str], value: Any) -> Any:
    for name in reversed(path):
        value = {name: value}
    return value


def token(value: Any) -> str:
    """A value on one line, as it may stand in a block or in braces."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=2**20, sort_keys=False)
    return text.strip().removesuffix("...").strip()


def _lines(path: list[str], value: Any, column: int) -> str:
    """A field on lines of its own, its sections above it."""
    found = ""
    for depth, name in enumerate(path):
        found += " " * (column + 2 * depth) + f"{name}:"
        found += "\n" if depth < len(path) - 1 else f" {token(value)}\n"
    return found


def _end(node: Any) -> int:
    """Where the node's own text ends; a block's marks reach to what follows it."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
        return _end(node.value[-1][1])
    if isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
        return _end(node.value[-1])
    return int(node.end_mark.index)


def _replaced(text: str, key: Any, node: Any, value: Any) -> str:
    is_block = not isinstance(node, yaml.ScalarNode) and not node.flow_style
    start = key.end_mark.index + 1 if is_block else node.start_mark.index
    gap = " " if text[start - 1] == ":" else ""
    return text[:start] + gap + token(value) + text[_end(node) :]


def _line_end(text: str, index: int) -> int:
    """After the line break that ends the line at `index`; a line without one has none."""
    found = text.find("\n", index)
    return len(text) if found < 0 else found + 1


def _added(text: str, node: Any, path: list[str], value: Any) -> str:
    if node.flow_style or not node.value:
        close = node.end_mark.index - 1
        before = text[:close].rstrip().rstrip(",")
        comma = "" if before.endswith("{") else ", "
        return f"{before}{comma}{path[0]}: {token(_nested(path[1:], value))}{text[close:]}"
    after = _neighbour(node, path[0])
    column = node.value[0][0].start_mark.column
    if after is None:
        at = node.value[0][0].start_mark.index - column
    else:
        at = max(_line_end(text, _end(after) - 1 if _end(after) else 0), 0)
    before = text[:at] if not at or text[at - 1] == "\n" else text[:at] + "\n"
    return before + _lines(path, value, column) + text[at:]


def _neighbour(node: Any, name: str) -> Any:
    """The value after which a new field of the mapping belongs, by the order of the documentation; None: it
    comes first."""
    order = [*_ORDER, *(key for key in Recipe.__dataclass_fields__ if key not in _ORDER)]
    place = order.index(name) if name in order else len(order)
    if node.start_mark.column or name not in order:
        return node.value[-1][1]
    before = [v for k, v in node.value if k.value in order and order.index(k.value) < place]
    return before[-1] if before else None


def _without(text: str, pairs: list[tuple[Any, Any, Any]]) -> str:
    """Without the last pair, and without the sections that it leaves empty."""
    owner, key, value = pairs[-1]
    while len(owner.value) == 1 and len(pairs) > 1:
        pairs = pairs[:-1]
        owner, key, value = pairs[-1]
    start, end = key.start_mark.index, _end(value)
    if owner.flow_style:
        rest = text[end:].lstrip()
        if rest.startswith(","):
            return text[:start] + rest[1:].lstrip()
        return text[:start].rstrip().rstrip(",") + text[end:]
    at = text.rfind("\n", 0, start) + 1
    if text[at:start].strip():
        raise ValueError("something stands before it")
    return text[:at] + text[_line_end(text, max(end - 1, start)) :]
