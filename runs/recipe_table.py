"""A recipe's fields as a table in groups, and what two recipes differ in."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.utils.translation import gettext_lazy as _

from runs.recipe_items import Item, as_typed, items_for

MAX_DIFF_LINES = 2000
# Title, the sections and single fields it takes in; what nobody named falls into the last.
GROUPS: tuple[tuple[str, Any, tuple[str, ...]], ...] = (
    ("what", _("What is learned"), ("task", "base_model", "init", "network")),
    ("data", _("Data"), ("dataset",)),
    ("strategy", _("What learns"), ("strategy",)),
    ("optim", _("How it learns"), ("optim", "loss", "sampling")),
    ("stopping", _("When it stops"), ("early_stopping",)),
    ("benchmark", _("Measured on"), ("benchmark",)),
    ("study", _("Repeats and searches"), ("study",)),
    ("rest", _("Everything else"), ("seed", "deterministic", "precision", "version")),
)


@dataclass(frozen=True)
class FieldRow:
    """One field with its value as one would type it."""

    item: Item
    value: str
    is_default: bool


@dataclass(frozen=True)
class Change:
    """One field in which two recipes differ."""

    item: Item
    before: str
    after: str


def group_of(path: str) -> str:
    """The group that a field is shown in."""
    section = path.partition(".")[0]
    return next((name for name, _title, names in GROUPS if section in names), "rest")


def grouped(items: tuple[Item, ...]) -> Iterator[tuple[str, Any, list[Item]]]:
    """(name, title, items) of every group that has some."""
    for name, title, _names in GROUPS:
        found = [item for item in items if group_of(item.path) == name]
        if found:
            yield name, title, found


def value_at(plain: Any, path: str) -> Any:
    """What stands at a dotted name; None where nothing does."""
    for part in path.split("."):
        plain = plain.get(part) if isinstance(plain, Mapping) else None
    return plain


def field_groups(spec: Mapping[str, Any]) -> list[tuple[Any, list[FieldRow]]]:
    """Every field of a sound recipe, group by group; of sections that are null, none."""
    if not spec:
        return []
    found = []
    for _name, title, items in grouped(items_for(str(spec.get("task")))):
        rows = [_row(item, spec) for item in items if _is_there(spec, item.path)]
        if rows:
            found.append((title, rows))
    return found


def _is_there(spec: Mapping[str, Any], path: str) -> bool:
    section = path.rpartition(".")[0]
    return not section or isinstance(value_at(spec, section), Mapping)


def _row(item: Item, spec: Mapping[str, Any]) -> FieldRow:
    value = value_at(spec, item.path)
    plain = list(item.default) if isinstance(item.default, tuple) else item.default
    return FieldRow(item, shown(value), not item.is_required and value == plain)


def shown(value: Any) -> str:
    """A value for people: a search's space line by line, else as one would type it."""
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_space(one)}" for name, one in value.items())
    return as_typed(value)


def _space(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {as_typed(one)}" for name, one in value.items())
    return as_typed(value)


def changes_of(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """The fields in which two sound recipes differ, in the order of the contract."""
    items = {item.path: item for spec in (before, after) for item in items_for(str(spec.get("task")))}
    ordered = [items[path] for _n, _t, group in grouped(tuple(items.values())) for path in _paths(group)]
    found = []
    for item in ordered:
        old, new = value_at(before, item.path), value_at(after, item.path)
        if old != new:
            found.append(Change(item, shown(old), shown(new)))
    return found


def _paths(items: list[Item]) -> list[str]:
    return [item.path for item in items]


def text_lines(before: str, after: str) -> list[tuple[str, str]]:
    """The difference of two texts as lines with their class, as commits show theirs."""
    kinds = {"+": "add", "-": "del", "@": "hunk"}
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=3)
    return [(kinds.get(line[:1], "same"), line) for line in islice(lines, 2, MAX_DIFF_LINES)]
