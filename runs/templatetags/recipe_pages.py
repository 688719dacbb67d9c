"""What pages of models and runs show of shared recipes."""

from __future__ import annotations

from typing import Any

from django import template

from accounts.actor import Actor
from models_app.models import Recipe, Repo, RepoType
from runs.models import Run
from runs.recipe_shipped import shipped

register = template.Library()
SHOWN = 3


@register.inclusion_tag("recipes/_made_by.html", takes_context=True)
def recipe_of(context: dict[str, Any], repo: Repo) -> dict[str, Any]:
    """The shared recipes by which this model was made: the one its run began with, then those of the same
    method; `may_share` where there is a recipe that could become one."""
    actor: Actor = context["request"].actor
    row = Recipe.objects.filter(repo=repo).first()
    if row is None or not row.fingerprint:
        return {"known": []}
    run = Run.objects.visible_to(actor).filter(target_repo=repo, recipe_repo__isnull=False).first()
    return {**_known(actor, row.fingerprint, run), "repo": repo, "may_share": True}


@register.inclusion_tag("recipes/_followed.html", takes_context=True)
def recipe_of_run(context: dict[str, Any], run: Run) -> dict[str, Any]:
    """The shared recipe that a run began with, or those of the same method."""
    return {**_known(context["request"].actor, run.recipe_fingerprint, run), "run": run}


def _known(actor: Actor, fingerprint: str, run: Run | None) -> dict[str, Any]:
    """`began`: with which the run began; `is_changed`: whether something was changed in it; `known`: others
    of the same method, (address, id) each."""
    seen = Repo.objects.visible_to(actor).of_type(RepoType.RECIPE).select_related("namespace", "recipe")
    began = None
    if run is not None and run.recipe_repo_id is not None:
        began = seen.filter(pk=run.recipe_repo_id).first()
    known: list[tuple[str, str]] = []
    if fingerprint:
        same = seen.filter(recipe__fingerprint=fingerprint).order_by("-likes_count", "pk")[: SHOWN + 1]
        known = [(one.get_absolute_url(), one.repo_id) for one in same if one != began]
        alike = [one for one in shipped().values() if one.facts.fingerprint == fingerprint]
        known += [(f"/recipes/{one.recipe_id}", one.recipe_id) for one in alike]
    is_changed = began is not None and hasattr(began, "recipe") and began.recipe.fingerprint != fingerprint
    return {"began": began, "is_changed": is_changed, "known": known[:SHOWN]}
