"""A run's recipe back in the form it might have come from, to be changed and run again."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any

from accounts.actor import Actor
from models_app.models import Repo
from runs.fields import data_fields
from runs.forms import RECIPE_FIELDS, FinetuneForm
from training.recipe import TASK_DATA, RecipeError, parse_recipe
from training.recipe_study import with_changes

MAX_CHANGES = 16


def form_of(
    actor: Actor, base: Repo, recipe: Mapping[str, Any], beside: Mapping[str, str] | None = None
) -> FinetuneForm | None:
    """The form filled in as the recipe is; None where that holds what the form has no field for.

    `beside` are fields that are no part of a recipe.
    """
    form = FinetuneForm(actor, base, wanted={**filled(recipe), **(beside or {})})
    given = {name: form[name].value() for name in form.fields if form[name].value() is not None}
    try:
        made = parse_recipe(form.plain(given)).as_dict()
        wanted = parse_recipe(without_commits(recipe)).as_dict()
    except (RecipeError, KeyError):
        return None
    return form if made == wanted else None


def changed(recipe: Mapping[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """The recipe with changes of an address in it, each like `optim.batch_size=16`, the value as JSON.

    What names no field of this recipe, or is no JSON, is left out: the form shows what came of the rest.
    """
    found = copy.deepcopy(dict(recipe))
    for text in changes[:MAX_CHANGES]:
        name, _sign, value = text.partition("=")
        try:
            plain = json.loads(value[:1000], parse_constant=_no_constant)
        except (ValueError, RecursionError):
            continue
        if _is_leaf(recipe, name):
            found = with_changes(found, {name: plain}) | {"study": found.get("study")}
    return found


def _is_leaf(recipe: Mapping[str, Any], name: str) -> bool:
    section, _dot, leaf = name.rpartition(".")
    place = _at(recipe, section) if section else recipe
    return isinstance(place, Mapping) and leaf in place and not isinstance(place[leaf], Mapping)


def _no_constant(name: str) -> float:
    raise ValueError(name)


def filled(recipe: Mapping[str, Any]) -> dict[str, str]:
    """What stands in the form's fields, as text."""
    task = str(recipe.get("task"))
    data = dict(recipe.get("dataset") or {})
    found = {name: _at(recipe, path) for name, path in RECIPE_FIELDS.items()}
    if task in TASK_DATA:
        fields = data_fields(task)
        found |= {one.name: data.get(one.name) for one in fields if data.get(one.name) != _plain(one.default)}
    board = recipe.get("benchmark")
    found["benchmark"] = f"{board['repo']}#{board['task_id']}" if board else ""
    # An empty field is computed again, a null of the recipe stays nothing: only texts differ between the two.
    found["validation_split"] = found["validation_split"] or ""
    return {name: _text(value) for name, value in found.items() if value is not None}


def _at(recipe: Mapping[str, Any], path: str) -> Any:
    found: Any = recipe
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def without_commits(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe for the newest commits, not those it was frozen to."""
    found = copy.deepcopy(dict(recipe))
    for name in ("base_model", "dataset", "benchmark"):
        if found.get(name):
            found[name]["revision"] = None
    return found
