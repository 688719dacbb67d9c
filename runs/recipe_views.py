"""The gallery of recipes, one recipe's page, two recipes side by side."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from models_app.access import Refusal
from models_app.content.recipes import RECIPE_FILE
from models_app.discussions import threads_of
from models_app.models import Recipe, Repo, RepoType
from models_app.views.repo import repo_context
from models_app.views.support import HubRequest, page, repo_page
from runs.recipe_editing import located
from runs.recipe_gallery import SORTS, gallery
from runs.recipe_results import results_of
from runs.recipe_shipped import NAMESPACE, Shipped, shipped
from runs.recipe_source import Source, repo_source, shipped_source, source_of
from runs.recipe_table import changes_of, field_groups, text_lines
from runs.recipe_words import words_of

SHOWN_THREADS = 5
SHOWN_FORKS = 10


@require_safe
@page
def recipes(request: HubRequest) -> HttpResponse:
    """Every recipe the actor may see, and those that are shipped."""
    found = gallery(request.actor, request.GET)
    context = {
        "section": "recipes",
        "gallery": found,
        "rows": found.rows,
        "sorts": SORTS,
        "is_narrowed": bool(found.search or any(found.chosen.values())),
    }
    return render(request, "recipes/gallery.html", context)


@require_safe
@page
def recipe(request: HubRequest, namespace: str, name: str) -> HttpResponse:
    """What one recipe does, what came of it, and its text."""
    source = source_at(request, namespace, name)
    context: dict[str, Any] = {"section": "recipes", "endpoint": request.build_absolute_uri("/")[:-1]}
    if source.repo is not None:
        context |= repo_context(request, source.repo, tab="card") | _around(request, source.repo)
    context |= {
        "source": source,
        "words": words_of(source.facts.spec),
        "groups": field_groups(source.facts.spec),
        "problems": located(source.text, source.facts.problems),
        "results": results_of(request.actor, source) if not source.is_closed else None,
        "linked": _linked(request, source),
        "twins": _twins(source),
    }
    return render(request, "recipes/recipe.html", context)


def source_at(request: HubRequest, namespace: str, name: str) -> Source:
    """The recipe at an address; one that was moved is found where it is now."""
    if namespace.lower() == NAMESPACE:
        return shipped_source(name)
    return repo_source(request.actor, repo_page(request, RepoType.RECIPE, namespace, name))


def _around(request: HubRequest, repo: Repo) -> dict[str, Any]:
    """Where it was forked from, what was forked from it, what is said of it."""
    seen = Repo.objects.visible_to(request.actor).of_type(RepoType.RECIPE).select_related("namespace")
    row = Recipe.objects.filter(repo=repo).first()
    forks = seen.filter(recipe__forked_from=repo)
    return {
        "origin": seen.filter(pk=row.forked_from_id).first() if row and row.forked_from_id else None,
        "forks": forks.order_by("-likes_count", "-pk")[:SHOWN_FORKS],
        "forks_count": forks.count(),
        "threads": [] if repo.discussions_disabled else threads_of(repo, kind="discussion")[:SHOWN_THREADS],
    }


def _twins(source: Source) -> list[Shipped]:
    """Shipped recipes of the same method."""
    method = source.facts.fingerprint
    if not method or source.repo is None:
        return []
    return [one for one in shipped().values() if one.facts.fingerprint == method]


def _linked(request: HubRequest, source: Source) -> dict[str, Repo]:
    """Base, data and benchmark as repos of this hub, where the reader may see them."""
    facts, board = source.facts, source.facts.spec.get("benchmark") or {}
    wanted = {
        "base": (RepoType.MODEL, facts.base_model),
        "dataset": (RepoType.DATASET, facts.dataset),
        "benchmark": (RepoType.DATASET, board.get("repo", "")),
    }
    seen = Repo.objects.visible_to(request.actor).select_related("namespace")
    found = {
        key: seen.named(kind, repo_id).first()
        for key, (kind, repo_id) in wanted.items()
        if repo_id.count("/") == 1
    }
    return {key: repo for key, repo in found.items() if repo is not None}


@require_safe
@page
def text(request: HubRequest, namespace: str, name: str) -> HttpResponse:
    """The recipe as a file."""
    source = source_at(request, namespace, name)
    if not source.text:
        return HttpResponse(_("There is no recipe here to be read."), status=404, content_type="text/plain")
    response = HttpResponse(source.text, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{RECIPE_FILE}"'
    return response


@require_safe
@page
def compare(request: HubRequest) -> HttpResponse:
    """`?a=namespace/name&b=namespace/name`: what the second does otherwise than the first."""
    asked = {side: request.GET.get(side, "").replace("\0", "").strip()[:200] for side in ("a", "b")}
    found = {side: _found(request, recipe_id) for side, recipe_id in asked.items() if recipe_id}
    context: dict[str, Any] = {"section": "recipes", "asked": asked, "sides": found}
    a, b = found.get("a"), found.get("b")
    if a is not None and b is not None:
        sound = a.facts.is_valid and b.facts.is_valid and a.facts.spec and b.facts.spec
        context |= {
            "a": a,
            "b": b,
            "is_sound": bool(sound),
            "changes": changes_of(a.facts.spec, b.facts.spec) if sound else [],
            "is_same_method": bool(sound) and a.facts.fingerprint == b.facts.fingerprint,
            "lines": text_lines(a.text, b.text),
        }
    context["missing"] = [asked[side] for side, one in found.items() if one is None]
    return render(request, "recipes/compare.html", context, status=404 if context["missing"] else 200)


def _found(request: HubRequest, recipe_id: str) -> Source | None:
    """None for one that is not there, or not for this reader."""
    try:
        source = source_of(request.actor, recipe_id)
    except Refusal:
        return None
    return None if source.is_closed else source
