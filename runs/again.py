"""A run's recipe back in the form it might have come from, to be changed and run again."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from accounts.actor import Actor
from models_app.models import Repo
from runs.fields import data_fields
from runs.forms import RECIPE_FIELDS, FinetuneForm
from runs.models import Run
from training.recipe import TASK_DATA, RecipeError, parse_recipe


def form_of(actor: Actor, base: Repo, run: Run) -> FinetuneForm | None:
    """The form filled in as the run was; None where the recipe holds what the form has no field for."""
    form = FinetuneForm(actor, base, wanted=filled(run.recipe))
    given = {name: form[name].value() for name in form.fields if form[name].value() is not None}
    try:
        made = parse_recipe(form.plain(given)).as_dict()
        wanted = parse_recipe(_without_commits(run.recipe)).as_dict()
    except (RecipeError, KeyError):
        return None
    return form if made == wanted else None


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


def _without_commits(recipe: Mapping[str, Any]) -> dict[str, Any]:
    found = copy.deepcopy(dict(recipe))
    for name in ("base_model", "dataset", "benchmark"):
        if found.get(name):
            found[name]["revision"] = None
    return found
