"""Recipes read strictly: YAML of bounded size into frozen dataclasses, with every problem told at once."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from training.errors import UserError

MAX_TEXT_BYTES = 64 * 1024
MAX_ITEMS = 1000
MAX_NUMBERS = 99
SCIENTIFIC = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")


@dataclass(frozen=True)
class Problem:
    """One thing wrong: `field` is the dotted path (`optim.lr`), `message` a whole sentence for the user."""

    field: str
    message: str


class RecipeError(UserError):
    """The recipe cannot be used; `problems` lists everything that is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("recipe:invalid", " ".join(problem.message for problem in problems))
        self.problems = problems


class _StrictLoader(yaml.SafeLoader):
    """Plain data only, and no key twice: YAML's silent last-one-wins would hide a user's mistake."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                # Mappings merged into mappings grow without bound before a field can be looked at.
                merged = "it merges mappings (<<); write the fields out"
                raise yaml.MarkedYAMLError(problem=merged, problem_mark=key.start_mark)
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                twice = f"the field {show(key.value)} is given twice"
                raise yaml.MarkedYAMLError(problem=twice, problem_mark=key.start_mark)
            seen.add(str(key.value) if isinstance(key, yaml.ScalarNode) else "")
        return super().construct_mapping(node, deep)


def load_yaml(text: str) -> Any:
    if len(text.encode("utf-8", "replace")) > MAX_TEXT_BYTES:
        raise RecipeError([Problem("", "The recipe is larger than 64 KiB.")])
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise RecipeError([Problem("", f"The recipe is not valid YAML{line}: {error.problem}.")]) from None
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError):
        raise RecipeError([Problem("", "The recipe is not valid YAML.")]) from None


def read_section(
    section: type,
    plain: Any,
    path: str,
    problems: list[Problem],
    kinds: Mapping[str, type] | None = None,
) -> Any:
    """Build one dataclass from `plain`, noting every problem; None if it cannot be built.

    `kinds`: fields whose dataclass another field has decided.
    """
    if not isinstance(plain, Mapping):
        message = f"{path or 'The recipe'} must be a mapping of fields, got {show(plain)}."
        problems.append(Problem(path, message))
        return None
    hints = typing.get_type_hints(section) | dict(kinds or {})
    before = len(problems)
    problems.extend(_unknown_fields(plain, list(hints), path))
    values: dict[str, Any] = {}
    for spec in dataclasses.fields(section):
        name = f"{path}.{spec.name}" if path else spec.name
        if spec.name in plain:
            values[spec.name] = _read_value(hints[spec.name], spec.metadata, plain[spec.name], name, problems)
        elif spec.default is dataclasses.MISSING:
            problems.append(Problem(name, f"{name} is missing."))
    return section(**values) if len(problems) == before else None


def _unknown_fields(plain: Mapping[Any, Any], known: list[str], path: str) -> list[Problem]:
    problems = []
    for key in plain:
        if key in known:
            continue
        shown = str(key)[:60]
        name = f"{path}.{shown}" if path else shown
        near = difflib.get_close_matches(shown, known, n=1)
        hint = f" Did you mean {near[0]}?" if near else f" Known fields: {', '.join(known)}."
        problems.append(Problem(name, f"{name} is not a field of a recipe.{hint}"))
    return problems


def _read_value(hint: Any, bounds: Mapping[str, Any], value: Any, name: str, problems: list[Problem]) -> Any:
    """Check one value against its type hint and bounds."""
    if isinstance(hint, types.UnionType):
        if value is None:
            return None
        hint = next(arm for arm in typing.get_args(hint) if arm is not type(None))
    if dataclasses.is_dataclass(hint):
        return read_section(typing.cast(type, hint), value, name, problems)
    if typing.get_origin(hint) is Mapping:
        hint = Mapping
    if typing.get_origin(hint) is tuple:
        hint = (tuple, typing.get_args(hint)[0])
    reader = _READERS[hint]
    try:
        return reader(value, bounds)
    except ValueError as refusal:
        problems.append(Problem(name, f"{name} must be {refusal}, got {show(value)}."))
        return None


def _read_bool(value: Any, bounds: Mapping[str, Any]) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _read_int(value: Any, bounds: Mapping[str, Any]) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("a whole number")
    _check_bounds(value, bounds)
    return value


def _read_float(value: Any, bounds: Mapping[str, Any]) -> float:
    # YAML 1.1 reads 1e-3 as text, which is how everybody writes a learning rate.
    if isinstance(value, str) and len(value) < 40 and SCIENTIFIC.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a number")
    # Bounds first: a whole number of 400 digits does not fit a float.
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a finite number")
    _check_bounds(value, bounds)
    return float(value)


def _check_bounds(value: float, bounds: Mapping[str, Any]) -> None:
    if "above" in bounds and not value > bounds["above"]:
        raise ValueError(f"above {bounds['above']:g}")
    if "at_least" in bounds and not value >= bounds["at_least"]:
        raise ValueError(f"at least {_plain(bounds['at_least'])}")
    if "below" in bounds and not value < bounds["below"]:
        raise ValueError(f"below {bounds['below']:g}")
    if "at_most" in bounds and not value <= bounds["at_most"]:
        raise ValueError(f"at most {_plain(bounds['at_most'])}")


def _read_text(value: Any, bounds: Mapping[str, Any]) -> str:
    choices = bounds.get("choices")
    if choices:
        if value not in choices:
            raise ValueError(choices[0] if len(choices) == 1 else f"one of {', '.join(choices)}")
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise ValueError("text")
    if len(value) > bounds["limit"]:
        raise ValueError(f"at most {bounds['limit']} characters long")
    if not value.isprintable():
        raise ValueError("text without control characters")
    return value


def _read_texts(value: Any, bounds: Mapping[str, Any]) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise ValueError("a list of texts")
    if len(value) > MAX_ITEMS:
        raise ValueError(f"a list of at most {MAX_ITEMS:,} texts")
    texts = tuple(_read_text(item, bounds) for item in value)
    if len(set(texts)) != len(texts):
        raise ValueError("a list without repetitions")
    return texts


def _read_numbers(value: Any, bounds: Mapping[str, Any]) -> tuple[float, ...]:
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= MAX_NUMBERS:
        raise ValueError(f"a list of 1 to {MAX_NUMBERS} numbers")
    numbers = tuple(_read_float(item, bounds) for item in value)
    if list(numbers) != sorted(set(numbers)):
        raise ValueError("a list of rising numbers")
    return numbers


def _read_mapping(value: Any, bounds: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not value:
        raise ValueError("a mapping of fields")
    if len(value) > bounds["limit"]:
        raise ValueError(f"a mapping of at most {bounds['limit']} fields")
    return dict(value)


_READERS: dict[Any, Callable[[Any, Mapping[str, Any]], Any]] = {
    Mapping: _read_mapping,
    bool: _read_bool,
    int: _read_int,
    float: _read_float,
    str: _read_text,
    (tuple, str): _read_texts,
    (tuple, float): _read_numbers,
}


def _plain(bound: float) -> str:
    return f"{bound:,}" if isinstance(bound, int) else f"{bound:g}"


def show(value: Any) -> str:
    """What the user gave, short and on one line; never the inside of a collection."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple | set):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**30:
        return "a number of more than 30 digits"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
