"""The page that puts models side by side; its address is all there is to share."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from models_app.comparing import MAX_MODELS, Chosen, above, chosen
from models_app.models import Repo
from models_app.search import MAX_QUERY_CHARS, search_repos
from models_app.views.compare_rows import board_rows, fact_rows, licence_rows
from models_app.views.support import HubRequest, page

MAX_FOUND = 8


@require_safe
@page
def compare_models(request: HubRequest) -> HttpResponse:
    """`?model=a/b&model=c/d`, up to five; `add=` one more, `q=` looks for it, `only=differences` hides what
    all have in common."""
    names = request.GET.getlist("model")
    if added := request.GET.get("add", "").strip():
        return HttpResponseRedirect(address_of([*names, added]))
    found = chosen(request.actor, names)
    query = request.GET.get("q", "").replace("\0", "").strip()[:MAX_QUERY_CHARS]
    context: dict[str, Any] = {
        "section": "models",
        "chosen": found,
        "most": MAX_MODELS,
        "query": query,
        "found": _matches(request, query, found),
        "columns": [(repo, _without(found, repo)) for repo in found.repos],
        "only": request.GET.get("only") == "differences",
        "address": address_of(found.ids),
    }
    if len(found.repos) >= 2:
        context |= _rows(request, found.repos, only=context["only"])
    is_part = request.headers.get("HX-Request") and request.headers.get("HX-Target") == "found-models"
    return render(request, "compare/_found.html" if is_part else "compare/models.html", context)


def address_of(ids: list[str]) -> str:
    """The address of a comparison of these models, at most one more than are shown: the page tells of it."""
    kept = list(dict.fromkeys(name[:200] for name in ids))[: MAX_MODELS + 1]
    return reverse("compare-models") + (f"?{urlencode({'model': kept}, doseq=True)}" if kept else "")


def _without(found: Chosen, repo: Repo) -> str:
    return address_of([name for name in found.ids if name != repo.repo_id])


def _matches(request: HubRequest, query: str, found: Chosen) -> list[tuple[Repo, str]]:
    if not query or len(found.repos) >= MAX_MODELS:
        return []
    rows = search_repos(Repo.objects.visible_to(request.actor).models(), query).select_related("namespace")
    others = rows.exclude(pk__in=[repo.pk for repo in found.repos])[:MAX_FOUND]
    return [(repo, address_of([*found.ids, repo.repo_id])) for repo in others]


def _rows(request: HubRequest, repos: list[Repo], *, only: bool) -> dict[str, Any]:
    stands = above(repos, request.actor)
    facts, terms = fact_rows(repos, stands), licence_rows(repos, stands)
    facts = [row for row in facts if any(cell.text for cell in row.cells)]
    return {
        "facts": [row for row in facts if row.differs or not only],
        "terms": [row for row in terms if row.differs or not only],
        "boards": board_rows(repos, request.actor),
    }
