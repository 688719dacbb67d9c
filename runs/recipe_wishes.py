"""A shared recipe in a request of somebody's script: followed, or taken for other data."""

from __future__ import annotations

from typing import Any

from accounts.actor import Actor
from models_app.access import Refusal, access_repo
from models_app.models import Repo, RepoType
from runs import payloads, wishes
from runs.recipe_source import Source, source_of
from runs.recipe_starting import adapted
from runs.reports import BadReport
from training.recipe import Problem, Recipe, RecipeError, parse_recipe

_OTHERS = ("base", "dataset")


def recipe_in(actor: Actor, body: dict[str, Any]) -> tuple[Recipe, Repo | None, str]:
    """The recipe to run, and the shared one that it follows with its commit.

    Raises BadReport, RecipeError.
    """
    named = payloads.text(body, "recipe_repo", 200)
    if not named:
        for field in _OTHERS:
            if body.get(field) is not None:
                raise BadReport(f"{field} goes with recipe_repo; without one it stands in the recipe.")
        return wishes.recipe_in(body), None, ""
    source = _source(actor, named)
    if body.get("recipe") is not None:
        return wishes.recipe_in(body), source.repo, source.oid
    return _taken(actor, source, body), source.repo, source.oid


def _source(actor: Actor, named: str) -> Source:
    """The recipe; one that may not be read is as good as missing."""
    try:
        source = source_of(actor, named)
    except Refusal:
        source = None
    if source is None or source.is_closed:
        text = f"recipe_repo: there is no recipe {named} on this hub that you may read."
        raise RecipeError([Problem("recipe_repo", text)])
    return source


def _taken(actor: Actor, source: Source, body: dict[str, Any]) -> Recipe:
    """The shared recipe itself, for the base and the data that are asked for."""
    if not source.facts.is_valid:
        problems = [Problem("recipe_repo", f"recipe_repo: {one['message']}") for one in source.facts.problems]
        raise RecipeError(problems)
    base = payloads.text(body, "base", 200) or source.facts.base_model
    data = payloads.text(body, "dataset", 200) or source.facts.dataset
    if not base:
        text = "base is missing: the recipe names none, and runs on a hub begin with a model of it."
        raise RecipeError([Problem("base", text)])
    repos = {
        "base": _repo(actor, RepoType.MODEL, base, "base"),
        "dataset": _repo(actor, RepoType.DATASET, data, "dataset"),
    }
    return parse_recipe(adapted(actor, source, repos["base"], repos["dataset"]))


def _repo(actor: Actor, repo_type: str, repo_id: str, field: str) -> Repo:
    try:
        return access_repo(actor, repo_type, repo_id)
    except Refusal:
        text = f"{field}: there is no {repo_type} {repo_id} on this hub that you may read."
        raise RecipeError([Problem(field, text)]) from None
