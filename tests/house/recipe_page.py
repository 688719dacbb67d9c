"""The rows that docs/users/recipes.md must have, read off the recipe's own dataclasses."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping

from training.recipe import TASK_DATA, DatasetSpec, Recipe

_KINDS = {bool: "true or false", int: "whole number", float: "number", str: "text"}
_LISTS = {str: "list of texts", float: "list of numbers", int: "list of whole numbers"}


def field_rows(section: type = Recipe, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """(dotted name, what it takes, default) of every field, in the order of the dataclasses."""
    hints = typing.get_type_hints(section)
    for spec in dataclasses.fields(section):
        name, hint = prefix + spec.name, hints[spec.name]
        optional = isinstance(hint, types.UnionType)
        inner = next(arm for arm in typing.get_args(hint) if arm is not type(None)) if optional else hint
        if dataclasses.is_dataclass(inner):
            if optional:
                yield name, "section or null", "null"
            yield from field_rows(typing.cast(type, inner), f"{name}.")
            continue
        yield name, _takes(inner, spec.metadata, optional), _default(spec)


def _takes(kind: type, bounds: typing.Mapping[str, typing.Any], optional: bool) -> str:
    if "choices" in bounds:
        text = " · ".join(f"`{choice}`" for choice in bounds["choices"])
    else:
        words = {"above": "> {}", "at_least": "≥ {}", "below": "< {}", "at_most": "≤ {}"}
        limits = [word.format(_number(bounds[name])) for name, word in words.items() if name in bounds]
        text = " ".join([_name_of(kind), ", ".join(limits)]).strip()
    return f"{text} or null" if optional else text


def _name_of(kind: typing.Any) -> str:
    if typing.get_origin(kind) is tuple:
        return _LISTS[typing.get_args(kind)[0]]
    return "mapping of fields" if typing.get_origin(kind) is Mapping else _KINDS[kind]


def data_rows() -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """(tasks, rows) for every kind of data set: what it adds to the fields that all have."""
    common = {spec.name for spec in dataclasses.fields(DatasetSpec)}
    for kind in dict.fromkeys(TASK_DATA.values()):
        tasks = ", ".join(f"`{task}`" for task, data in TASK_DATA.items() if data is kind)
        rows = [row for row in field_rows(kind, "dataset.") if row[0].removeprefix("dataset.") not in common]
        yield tasks, rows


def _default(spec: dataclasses.Field[typing.Any]) -> str:
    if spec.default is dataclasses.MISSING:
        return "required"
    if spec.default is None:
        return "null"
    if isinstance(spec.default, tuple):
        return f"`{list(spec.default)}`"
    return f"`{str(spec.default).lower() if isinstance(spec.default, bool) else _number(spec.default)}`"


def _number(value: object) -> str:
    return f"{value:,}" if type(value) is int else f"{value:g}" if isinstance(value, float) else str(value)
