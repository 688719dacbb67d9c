"""The `study` section: repeats, cross-validation and a search over the recipe's own fields."""

from __future__ import annotations

import dataclasses
import itertools
import math
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_FIELDS = 12
MAX_CHOICES = 50
# What decides what is compared, or where results go, is not searched.
FIXED = ("version", "task", "base_model", "benchmark", "study", "seed")


@dataclass(frozen=True)
class SearchSpec:
    """`space`: from a recipe's field to its choices (a list) or its range ({low, high, log}).

    `halving` gives up trials that are behind after `min_epochs`, again after `reduction` times as many, and
    so on. `tpe` draws where earlier trials were good. The budget is wall-clock time; a trial it ends counts
    for nothing.
    """

    space: Mapping[str, Any] = field(metadata={"limit": MAX_FIELDS})
    method: str = field(default="random", metadata={"choices": ("grid", "random", "tpe", "halving")})
    trials: int = field(default=20, metadata={"at_least": 1, "at_most": 10_000})
    budget_minutes: float = field(default=60.0, metadata={"above": 0.0, "at_most": 100_000.0})
    min_epochs: int = field(default=1, metadata={"at_least": 1, "at_most": 1000})
    reduction: int = field(default=3, metadata={"at_least": 2, "at_most": 10})


@dataclass(frozen=True)
class StudySpec:
    """`seeds` runs, each with the next seed; with `folds` every seed once for each of so many folds.

    `search` comes first, on the recipe's own validation part; what follows repeats its best recipe.
    `leave_one_out` adds the exact numbers of a ridge head on cached features.
    """

    seeds: int = field(default=1, metadata={"at_least": 1, "at_most": 100})
    folds: int | None = field(default=None, metadata={"at_least": 2, "at_most": 100})
    search: SearchSpec | None = None
    leave_one_out: bool = False


@dataclass(frozen=True)
class Range:
    """Every number from `low` to `high`; `log`: evenly on the scale of powers. Whole ones where both are."""

    low: float
    high: float
    log: bool = False


Space = dict[str, "list[Any] | Range"]


def read_space(recipe: Any, plain: Mapping[str, Any]) -> tuple[Space, list[tuple[str, str]]]:
    """The space as ranges and choices, and what is wrong with it: (field, sentence)."""
    space: Space = {}
    problems: list[tuple[str, str]] = []
    for name, given in plain.items():
        where = f"study.search.space.{str(name)[:60]}"
        if not _is_field(recipe, str(name)):
            problems.append((where, f"{where} does not name a field of a recipe that can be searched."))
            continue
        read = _range(given) if isinstance(given, Mapping) else _choices(given)
        if isinstance(read, str):
            problems.append((where, f"{where} {read}."))
        else:
            space[str(name)] = read
    return space, problems


def corners(space: Space) -> Iterator[tuple[str, Any]]:
    """Every choice and both ends of every range, to be tried in the recipe one at a time."""
    for name, values in space.items():
        ends = [values.low, values.high] if isinstance(values, Range) else values
        yield from ((name, value) for value in ends)


def grid_size(space: Space) -> int:
    """How many points a grid has."""
    return math.prod(len(values) for values in space.values() if isinstance(values, list))


def grid(space: Space) -> Iterator[dict[str, Any]]:
    """All combinations of choices, the last field changing fastest."""
    lists = [values for values in space.values() if isinstance(values, list)]
    for values in itertools.product(*lists):
        yield dict(zip(space, values, strict=True))


def with_changes(plain: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe as nested dictionaries with some of its fields set; sections that are null are made."""
    changed: dict[str, Any] = {**plain, "study": None}
    for name, value in changes.items():
        *sections, last = name.split(".")
        place = changed
        for section in sections:
            place[section] = dict(place.get(section) or {})
            place = place[section]
        place[last] = value
    return changed


def _is_field(recipe: Any, name: str) -> bool:
    if name.split(".")[0] in FIXED or name in ("dataset.repo", "dataset.revision", "dataset.fold"):
        return False
    section: Any = recipe
    *sections, last = name.split(".")
    for part in sections:
        section = _section(section, part)
        if section is None:
            return False
    return last in {item.name for item in dataclasses.fields(section)} and _section(section, last) is None


def _section(owner: Any, name: str) -> Any:
    """The dataclass behind a field, where there is one: as it is, or the one that its type names."""
    if name not in {item.name for item in dataclasses.fields(owner)}:
        return None
    value = None if isinstance(owner, type) else getattr(owner, name)
    if value is not None:
        return value if dataclasses.is_dataclass(value) else None
    hint = typing.get_type_hints(owner if isinstance(owner, type) else type(owner))[name]
    arms = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return next((arm for arm in arms if dataclasses.is_dataclass(arm)), None)


def _choices(given: Any) -> list[Any] | str:
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_CHOICES:
        return f"must be a list of at most {MAX_CHOICES} choices, or a range {{low, high, log}}"
    if not all(item is None or isinstance(item, str | int | float) for item in given):
        return "must be a list of plain values"
    return given


def _range(given: Mapping[str, Any]) -> Range | str:
    if not {"low", "high"} <= set(given) <= {"low", "high", "log"}:
        return "must be a range {low, high} with an optional log"
    ends = [_number(given[name]) for name in ("low", "high")]
    log = given.get("log", False)
    if ends[0] is None or ends[1] is None or not ends[0] < ends[1] or not isinstance(log, bool):
        return "must be a range from a smaller number to a larger one"
    if log and ends[0] <= 0:
        return "must begin above 0 to be searched by powers"
    return Range(ends[0], ends[1], log)


def _number(given: Any) -> float | int | None:
    if isinstance(given, str):  # YAML 1.1 reads 1e-3 as text
        try:
            given = float(given)
        except ValueError:
            return None
    if isinstance(given, bool) or not isinstance(given, int | float):
        return None
    try:
        return given if math.isfinite(given) else None
    except OverflowError:  # a whole number of 400 digits is no float
        return None
