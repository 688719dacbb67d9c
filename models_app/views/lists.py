"""The lists of models, datasets, spaces and kernels: search, filters, sorting, pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import F, QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from accounts.actor import Actor
from models_app.comparing import MAX_MODELS
from models_app.facets import BOARD_PARAMETERS
from models_app.finding import question_of
from models_app.listing import HEAVY, Listing
from models_app.models import Benchmark, Repo, RepoType
from models_app.views.facet_choices import Offer
from models_app.views.support import HubRequest, page

__all__ = ["HEADINGS", "HEAVY", "SORTS", "Choice", "Facet", "page_of"]

PAGE_SIZE = 30
MAX_BOARDS = 100

SORTS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "trending": (_("Trending"), ("-trending_score", "-last_modified", "-pk")),
    "updated": (_("Recently updated"), ("-last_modified", "-pk")),
    "created": (_("Newest"), ("-created_at", "-pk")),
    "likes": (_("Most likes"), ("-likes_count", "-last_modified", "-pk")),
    "downloads": (_("Most downloads"), ("-downloads_30d", "-last_modified", "-pk")),
    "parameters": (_("Most parameters"), (F("card__parameters").desc(nulls_last=True), "-pk")),
    "small": (_("Fewest parameters"), (F("card__parameters").asc(nulls_last=True), "-pk")),
}


@dataclass(frozen=True)
class Choice:
    """One value of a facet: how many repos have it, and the address that chooses it (or takes it back)."""

    value: str
    count: int
    is_chosen: bool
    address: str


@dataclass(frozen=True)
class Facet:
    """One way to narrow the list."""

    name: str
    title: Any
    choices: list[Choice]


HEADINGS = {
    RepoType.MODEL: _("Models"),
    RepoType.DATASET: _("Datasets"),
    RepoType.SPACE: _("Spaces"),
    RepoType.KERNEL: _("Kernels"),
}


@require_safe
@page
def models(request: HubRequest) -> HttpResponse:
    """Every model the actor may see."""
    return _list(request, RepoType.MODEL)


@require_safe
@page
def datasets(request: HubRequest) -> HttpResponse:
    """Every dataset the actor may see."""
    return _list(request, RepoType.DATASET)


@require_safe
@page
def spaces(request: HubRequest) -> HttpResponse:
    """Every space the actor may see."""
    return _list(request, RepoType.SPACE)


@require_safe
@page
def kernels(request: HubRequest) -> HttpResponse:
    """Every kernel the actor may see."""
    return _list(request, RepoType.KERNEL)


def _list(request: HubRequest, repo_type: RepoType) -> HttpResponse:
    question = question_of(repo_type, request.GET)
    asked = request.GET.get("sort", "")
    sort = asked if asked in _sorts(repo_type) else "" if question.text else "trending"
    listing = Listing(request.actor, question)
    offer = Offer(
        request.actor,
        listing,
        sort=asked if asked == sort else "",
        inside=request.GET.get("in", ""),
        like=request.GET.get("like", ""),
    )
    context = {
        "section": f"{repo_type}s",
        "repo_type": repo_type,
        "heading": HEADINGS[repo_type],
        "search": question.text,
        "sort": sort,
        "sorts": _sorts(repo_type),
        "facets": offer.facets(),
        "chips": offer.chips(),
        "fields": offer.fields("search", "sort"),
        "board_fields": offer.fields(*BOARD_PARAMETERS),
        "all_fields": offer.fields(),
        "measured": question.measured,
        "boards": _boards(request.actor) if repo_type == RepoType.MODEL else [],
        "is_narrowed": question.is_narrowed,
        "most_compared": MAX_MODELS,
        "rows": listing.page(SORTS[sort][1] if sort else (), request.GET.get("page"), PAGE_SIZE),
    }
    return render(request, "lists/repos.html", context)


def _boards(actor: Actor) -> list[str]:
    """The ids of boards that results can be asked of."""
    seen = Benchmark.objects.filter(Repo.objects.visible_to(actor).behind("repo"), is_listed=True)
    rows = seen.order_by("repo__namespace__name", "repo__name").values_list(
        "repo__namespace__name", "repo__name"
    )
    return [f"{namespace}/{name}" for namespace, name in rows[:MAX_BOARDS]]


def _sorts(repo_type: RepoType) -> dict[str, Any]:
    return {
        name: title
        for name, (title, _order) in SORTS.items()
        if repo_type == RepoType.MODEL or name not in ("parameters", "small")
    }


def page_of(rows: QuerySet[Any], number: str | None, size: int) -> Page[Any]:
    """One page of a list; a number that is none, or too high, gives the nearest page there is."""
    return Paginator(rows, size).get_page(number)
