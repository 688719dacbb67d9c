"""A run's recipe as the text that submits the same run again."""

from __future__ import annotations

from runs.models import Run
from training.recipe import RecipeError, dump_recipe, parse_recipe


def recipe_text(run: Run) -> str:
    """YAML; one line a field for a recipe of an older release, which is shown as it was kept."""
    try:
        return dump_recipe(parse_recipe(run.recipe))
    except RecipeError:
        return "\n".join(f"{name}: {value}" for name, value in run.recipe.items())
