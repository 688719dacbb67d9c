"""A `recipe.yaml` as the index keeps it: what it is for, whether it is sound, and which method it is."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from models_app.content.yaml_text import storable_text
from training.recipe import MAX_TEXT_BYTES, Recipe, RecipeError, parse_recipe
from training.recipe_reading import load_yaml

RECIPE_FILE = "recipe.yaml"
MAX_RECIPE_BYTES = MAX_TEXT_BYTES
MAX_PROBLEMS = 50
MAX_PROBLEM_CHARS = 500
# What says on what, from what and by which chance something is learned, not how.
_NOT_METHOD = ("version", "base_model", "benchmark", "study", "seed", "deterministic")
_NAMES_OF_DATA = (
    "repo", "revision", "train_split", "validation_split", "folds", "fold",
    "columns", "categorical", "user_features", "item_features", "user_table", "item_table", "labels",
    "box_format", "ignore_index",
)  # fmt: skip
_COLUMN_ENDINGS = ("_column", "_columns")


@dataclass(frozen=True)
class RecipeFacts:
    """What one recipe says. Of one that cannot be used `spec` and `fingerprint` are empty, and `problems` say
    why: `[{"field", "message"}]`."""

    base_model: str = ""
    dataset: str = ""
    task: str = ""
    strategy: str = ""
    spec: dict[str, Any] = field(default_factory=dict)
    fingerprint: str = ""
    problems: list[dict[str, str]] = field(default_factory=list)

    @property
    def is_valid(self) -> bool:
        return not self.problems


def read_recipe(text: str) -> RecipeFacts:
    """The facts of a recipe's text. Never raises: whatever is wrong is told in `problems`."""
    try:
        return facts_of(parse_recipe(text))
    except RecipeError as error:
        problems = [
            {
                "field": storable_text(one.field)[:200],
                "message": storable_text(one.message)[:MAX_PROBLEM_CHARS],
            }
            for one in error.problems[:MAX_PROBLEMS]
        ]
        return dataclasses.replace(_guessed(text), problems=problems)


def facts_of(recipe: Recipe) -> RecipeFacts:
    """The facts of a sound recipe."""
    return RecipeFacts(
        base_model=recipe.base_model.repo if recipe.base_model else "",
        dataset=recipe.dataset.repo,
        task=recipe.task,
        strategy=recipe.strategy.kind,
        spec=json.loads(json.dumps(recipe.as_dict()).replace("\\u0000", "")),
        fingerprint=fingerprint(recipe),
    )


def missing_recipe() -> RecipeFacts:
    """Of a recipe repo without its file."""
    return RecipeFacts(problems=[{"field": "", "message": f"There is no {RECIPE_FILE} in this repo."}])


def fingerprint(recipe: Recipe) -> str:
    """The same for recipes that learn in the same way, whatever they learn from: base and data with their
    columns and splits, benchmark, study and seeds are left out, and so is what has its default."""
    method = {name: value for name, value in _changed(recipe).items() if name not in _NOT_METHOD}
    method["task"] = recipe.task
    data = {name: value for name, value in method.pop("dataset", {}).items() if not _names_data(name)}
    if data:
        method["dataset"] = data
    plain = json.dumps(method, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(plain.encode()).hexdigest()


def fingerprint_of(spec: Mapping[str, Any]) -> str:
    """The fingerprint of a recipe as it is kept in a table; empty for one of another release."""
    try:
        return fingerprint(parse_recipe(spec))
    except RecipeError:
        return ""


def _names_data(name: str) -> bool:
    return name in _NAMES_OF_DATA or name.endswith(_COLUMN_ENDINGS)


def _changed(section: Any) -> dict[str, Any]:
    """The fields of a section that differ from their defaults, so that a release that adds one changes no
    fingerprint."""
    found: dict[str, Any] = {}
    for spec in dataclasses.fields(section):
        value = getattr(section, spec.name)
        if dataclasses.is_dataclass(value):
            inner = _changed(value)
            if inner or spec.default is None:  # a section that is there, even with nothing in it
                found[spec.name] = inner
        elif value != spec.default:
            found[spec.name] = list(value) if isinstance(value, tuple) else value
    return found


def _guessed(text: str) -> RecipeFacts:
    """What can be told of a recipe that is not sound: the names in it, for lists."""
    try:
        plain = load_yaml(text)
    except RecipeError:
        return RecipeFacts()
    return RecipeFacts(
        base_model=_text_at(plain, "base_model", "repo"),
        dataset=_text_at(plain, "dataset", "repo"),
        task=_text_at(plain, "task")[:64],
        strategy=_text_at(plain, "strategy", "kind")[:40],
    )


def _text_at(plain: Any, *path: str) -> str:
    for name in path:
        plain = plain.get(name) if isinstance(plain, Mapping) else None
    return storable_text(typing.cast(str, plain))[:200] if isinstance(plain, str) else ""
