"""YAML that strangers wrote, read within bounds: no alias bombs, no deep nesting, no key twice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

MAX_YAML_BYTES = 512 * 1024
MAX_NODES = 100_000
MAX_DEPTH = 32
MAX_ALIASES = 200
MAX_WHOLE_NUMBER = 2**63


class BadYaml(ValueError):
    """The text cannot be used as metadata; the message is one sentence for its author."""


class _PlainLoader(yaml.CSafeLoader):
    """Scalars as YAML 1.2 reads them: `no` is Norwegian, 1e-3 a number, 2024-01-01 and 12:30 are text."""


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.endswith((":null", ":merge"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_NUMBER = r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
_SCALARS = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    ("float", _NUMBER + r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", "-+0123456789."),
)
_PREFIX = "tag:yaml.org,2002:"
_PLAIN_TAGS = {"!", *(_PREFIX + name for name in ("str", "int", "float", "bool", "null", "seq", "map"))}
for _name, _pattern, _first in _SCALARS:
    _PlainLoader.add_implicit_resolver(_PREFIX + _name, re.compile(rf"(?:{_pattern})\Z"), list(_first))


def load_plain_yaml(text: str) -> Any:
    """The document as JSON can hold it: mappings with text keys, lists, text, finite numbers, booleans, None.

    Raises `BadYaml` for text over 512 KiB, syntax errors, a key given twice, nesting deeper than 32,
    more than 200 aliases or 100,000 nodes once aliases are written out, and tags beyond plain data.
    """
    if len(text.encode("utf-8", "replace")) > MAX_YAML_BYTES:
        raise BadYaml("The metadata is larger than 512 KiB.")
    try:
        _check_events(yaml.parse(text, Loader=_PlainLoader))
        return _plain(yaml.load(text, Loader=_PlainLoader), _Budget())  # noqa: S506 (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise BadYaml(f"The metadata is not valid YAML{line}: {error.problem}.") from None
    except BadYaml:
        raise
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, RecursionError):
        raise BadYaml("The metadata is not valid YAML.") from None


class _Frame:
    """An open collection; mappings remember their keys and whether a key comes next."""

    def __init__(self, is_mapping: bool) -> None:
        self.keys: set[str] | None = set() if is_mapping else None
        self.wants_key = is_mapping


def _check_events(events: Iterator[yaml.Event]) -> None:
    """Refuse what would blow up while it is built: events are a flat stream and cost little to look at."""
    stack: list[_Frame] = []
    aliases = 0
    for count, event in enumerate(events):
        if count > MAX_NODES:
            raise BadYaml("The metadata has more than 100,000 parts.")
        if isinstance(event, yaml.CollectionEndEvent):
            stack.pop()
            continue
        if not isinstance(event, yaml.NodeEvent):
            continue
        tag = str(getattr(event, "tag", None) or "!")
        if tag not in _PLAIN_TAGS:
            raise BadYaml(f"The metadata uses the tag {tag[:60]}; only plain values are allowed.")
        aliases += isinstance(event, yaml.AliasEvent)
        if aliases > MAX_ALIASES:
            raise BadYaml("The metadata uses more than 200 aliases; write the values out.")
        if stack:
            _note_child(stack[-1], event)
        if isinstance(event, yaml.CollectionStartEvent):
            stack.append(_Frame(isinstance(event, yaml.MappingStartEvent)))
            if len(stack) > MAX_DEPTH:
                raise BadYaml(f"The metadata is nested deeper than {MAX_DEPTH} levels.")


def _note_child(parent: _Frame, event: yaml.NodeEvent) -> None:
    if parent.keys is None:
        return
    if parent.wants_key and isinstance(event, yaml.ScalarEvent):
        # Merging mappings into mappings grows without bound before any node can be counted.
        if event.value == "<<":
            raise BadYaml("The metadata uses a merge key (<<); write the values out.")
        if event.value in parent.keys:
            line = event.start_mark.line + 1 if event.start_mark else 0
            key = event.value[:60]
            raise BadYaml(f"The metadata is not valid YAML in line {line}: the key {key!r} is given twice.")
        parent.keys.add(event.value)
    parent.wants_key = not parent.wants_key


class _Budget:
    """How many nodes may still be written out; an alias costs as much as what it names."""

    def __init__(self) -> None:
        self.left = MAX_NODES

    def spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise BadYaml("The metadata has more than 100,000 parts once its aliases are written out.")


def _plain(value: Any, budget: _Budget, depth: int = 0) -> Any:
    budget.spend()
    if depth > MAX_DEPTH:
        raise BadYaml("The metadata contains itself.")
    if isinstance(value, dict):
        return {storable_text(str(key)): _plain(item, budget, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, budget, depth + 1) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < MAX_WHOLE_NUMBER else str(value)
    if isinstance(value, float):
        # JSON has no NaN and no infinity; databases refuse them.
        return value if value - value == 0 else str(value)
    return storable_text(str(value))


def storable_text(text: str) -> str:
    """Text every database takes: no NUL, no half of a surrogate pair."""
    text = text.replace("\0", "\ufffd")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
