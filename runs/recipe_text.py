"""A run's recipe as the text that submits the same run again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runs.models import Run
from training.recipe import RecipeError, dump_recipe, parse_recipe


def recipe_text(run: Run) -> str:
    """YAML; one line a field for a recipe of an older release, which is shown as it was kept."""
    return text_of(run.recipe)


def text_of(recipe: Mapping[str, Any]) -> str:
    """The same of a recipe as it is kept."""
    try:
        return dump_recipe(parse_recipe(recipe))
    except RecipeError:
        return "\n".join(f"{name}: {value}" for name, value in recipe.items())
