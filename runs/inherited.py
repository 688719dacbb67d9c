"""A base that a run of ours made says in its recipe what its data look like: the form begins from there."""

from __future__ import annotations

from typing import Any

from accounts.actor import Actor
from models_app.files import git_store
from models_app.models import Repo
from models_app.storage.errors import RevisionNotFound
from runs.columns import columns_of
from runs.fields import DataField, as_text
from training.recipe import MAX_TEXT_BYTES, RecipeError, parse_recipe

RECIPE = "recipe.yaml"


def inherited_fields(
    actor: Actor, base: Repo, task: str, fields: dict[str, DataField], data: Repo | None
) -> dict[str, str]:
    """The task's data fields as the base was trained with, as text; empty where it was trained for another.

    A column that the chosen data set has not is left out. Whoever asks may read the base.
    """
    told = _recipe_of(base)
    if told is None or told["task"] != task:
        return {}
    known = columns_of(actor, data) if data is not None else []
    found = {}
    for name, field in fields.items():
        value = told["dataset"].get(name)
        if value is not None and value != field.default and _has(known, field, value):
            found[name] = as_text(value)
    return found


def _has(known: list[str], field: DataField, value: Any) -> bool:
    if not known or not field.names_columns:
        return True
    return all(name in known for name in (value if isinstance(value, list | tuple) else [value]))


def _recipe_of(base: Repo) -> dict[str, Any] | None:
    """The recipe beside the weights; None without one that this hub understands."""
    store = git_store(base)
    try:
        entry = store.entry(store.resolve(base.default_branch), RECIPE)
    except RevisionNotFound:
        return None
    if entry is None or entry.pointer is not None or entry.size > MAX_TEXT_BYTES:
        return None
    try:
        return parse_recipe(store.blob(entry.oid).decode("utf-8", "replace")).as_dict()
    except RecipeError:
        return None
