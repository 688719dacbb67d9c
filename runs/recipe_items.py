"""Every field of a recipe as a form shows it, read off the contract's own dataclasses."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.utils.translation import gettext as _

from runs.recipe_help import words_of
from training.recipe import TASK_DATA, ImageData, Recipe


@dataclass(frozen=True)
class Item:
    """One field. `kind`: text, texts, number, numbers, choice, flag or mapping; `is_whole` of numbers."""

    path: str
    kind: str
    is_whole: bool
    default: Any
    is_required: bool
    bounds: Mapping[str, Any]

    @property
    def key(self) -> str:
        """For ids of elements."""
        return self.path.replace(".", "-")

    @property
    def label(self) -> Any:
        return words_of(self.path)[0]

    @property
    def help(self) -> Any:
        return words_of(self.path)[1]

    @property
    def choices(self) -> tuple[str, ...]:
        """What it may be, where that can be listed."""
        return ("true", "false") if self.kind == "flag" else tuple(self.bounds.get("choices", ()))

    @property
    def shown_default(self) -> str:
        """The default as one would type it; empty where there is none."""
        return "" if self.is_required else as_typed(self.default)

    @property
    def takes(self) -> str:
        """What it may be, in a sentence; empty where the choices say it."""
        if self.choices:
            return ""
        if self.kind in ("number", "numbers"):
            sentence = _number_words(self)
            return f"{_('Several are parted by commas.')} {sentence}" if self.kind == "numbers" else sentence
        if self.kind == "texts":
            return _("Several are parted by commas.")
        return _("As YAML: {field: [choices]}.") if self.kind == "mapping" else ""


def _number_words(item: Item) -> str:
    bounds = item.bounds
    low = bounds.get("at_least", bounds.get("above"))
    high = bounds.get("at_most", bounds.get("below"))
    values = {"low": _plain(low), "high": _plain(high)}
    if item.is_whole:
        return _("A whole number from %(low)s to %(high)s.") % values
    if "above" in bounds and "below" in bounds:
        return _("A number above %(low)s and below %(high)s.") % values
    if "above" in bounds:
        return _("A number above %(low)s, at most %(high)s.") % values
    if "below" in bounds:
        return _("A number from %(low)s to below %(high)s.") % values
    return _("A number from %(low)s to %(high)s.") % values


def _plain(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if value is not None else "∞"


def as_typed(value: Any) -> str:
    """A value as one would type it into a form."""
    if value is None or isinstance(value, Mapping):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ", ".join(as_typed(item) for item in value)
    return f"{value:.10g}" if isinstance(value, float) else str(value)


@cache
def items_for(task: str) -> tuple[Item, ...]:
    """Every field of a recipe for this task, in the order of the contract."""
    return tuple(_items(Recipe, "", TASK_DATA.get(task, ImageData)))


@cache
def sections() -> frozenset[str]:
    """The dotted names of the sections, which hold fields and have no value of their own."""
    return frozenset(_sections(Recipe, ""))


def _items(section: type, prefix: str, data: type | None = None) -> Iterator[Item]:
    hints = typing.get_type_hints(section)
    for spec in dataclasses.fields(section):
        kind = _inner(hints[spec.name])
        path = f"{prefix}{spec.name}"
        if path == "dataset" and data is not None:
            kind = data
        if dataclasses.is_dataclass(kind):
            yield from _items(typing.cast(type, kind), f"{path}.")
            continue
        is_required = spec.default is dataclasses.MISSING
        default = None if is_required else spec.default
        yield Item(path, _kind(kind, spec.metadata), kind is int, default, is_required, spec.metadata)


def _sections(section: type, prefix: str) -> Iterator[str]:
    hints = typing.get_type_hints(section)
    for spec in dataclasses.fields(section):
        kind = _inner(hints[spec.name])
        if dataclasses.is_dataclass(kind):
            yield f"{prefix}{spec.name}"
            yield from _sections(typing.cast(type, kind), f"{prefix}{spec.name}.")


def _inner(hint: Any) -> Any:
    if isinstance(hint, types.UnionType):
        return next(arm for arm in typing.get_args(hint) if arm is not type(None))
    return hint


def _kind(kind: Any, bounds: Mapping[str, Any]) -> str:
    if typing.get_origin(kind) is tuple:
        return "texts" if typing.get_args(kind)[0] is str else "numbers"
    if typing.get_origin(kind) is not None:
        return "mapping"
    if "choices" in bounds:
        return "choice"
    return {bool: "flag", int: "number", float: "number"}.get(kind, "text")
