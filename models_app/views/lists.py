"""The lists of models and datasets: search, filters, sorting, pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Count, F, Q, QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from models_app.models import Repo, RepoQuerySet, RepoType
from models_app.search import search_repos
from models_app.views.support import HubRequest, page

PAGE_SIZE = 30
LONGEST_QUERY = 200
MAX_FACETS = 10
HEAVY = ("card__html", "card__siblings", "card__search_text", "card__metadata", "card__dtype_counts")

SORTS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "trending": (_("Trending"), ("-trending_score", "-last_modified", "-pk")),
    "updated": (_("Recently updated"), ("-last_modified", "-pk")),
    "created": (_("Newest"), ("-created_at", "-pk")),
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


FACETS: dict[str, tuple[Any, str]] = {
    "task": (_("Task"), "card__pipeline_tag"),
    "library": (_("Library"), "card__library_name"),
    "license": (_("Licence"), "card__license"),
}


@require_safe
@page
def models(request: HubRequest) -> HttpResponse:
    """Every model the actor may see."""
    return _list(request, RepoType.MODEL, ("task", "library", "license"))


@require_safe
@page
def datasets(request: HubRequest) -> HttpResponse:
    """Every dataset the actor may see."""
    return _list(request, RepoType.DATASET, ("task", "license"))


def _list(request: HubRequest, repo_type: RepoType, facets: tuple[str, ...]) -> HttpResponse:
    text = request.GET.get("search", "").replace("\0", "").strip()[:LONGEST_QUERY]
    chosen = {name: request.GET.get(name, "").replace("\0", "")[:100] for name in facets}
    sort = request.GET.get("sort", "")
    if sort not in SORTS:
        sort = "" if text else "trending"
    everything = search_repos(Repo.objects.visible_to(request.actor).of_type(repo_type), text)
    found = everything.filter(_narrow(chosen))
    if sort:
        found = found.order_by(*SORTS[sort][1])
    context = {
        "section": f"{repo_type}s",
        "repo_type": repo_type,
        "search": text,
        "sort": sort,
        "sorts": _sorts(repo_type),
        "facets": [_facet(everything, request.GET, name, chosen) for name in facets],
        "is_narrowed": bool(text or any(chosen.values())),
        "rows": page_of(found.for_lists().defer(*HEAVY), request.GET.get("page"), PAGE_SIZE),
    }
    return render(request, "lists/repos.html", context)


def _narrow(chosen: dict[str, str], but: str = "") -> Q:
    condition = Q()
    for name, value in chosen.items():
        if value and name != but:
            condition &= Q(**{FACETS[name][1]: value})
    return condition


def _facet(everything: RepoQuerySet, query: QueryDict, name: str, chosen: dict[str, str]) -> Facet:
    """The values of one facet, counted under every other choice; the chosen one stays even at zero."""
    title, column = FACETS[name]
    counted = (
        everything.filter(_narrow(chosen, but=name), **{f"{column}__gt": ""})
        .order_by().values_list(column).annotate(count=Count("pk")).order_by("-count", column)
    )  # fmt: skip
    values = dict(counted[:MAX_FACETS])
    if chosen[name]:
        values.setdefault(chosen[name], 0)
    return Facet(
        name, title, [_choice(query, name, value, count, chosen[name]) for value, count in values.items()]
    )


def _choice(query: QueryDict, name: str, value: str, count: int, chosen: str) -> Choice:
    address = query.copy()
    address.pop("page", None)
    if value == chosen:
        address.pop(name, None)
    else:
        address[name] = value
    return Choice(value, count, value == chosen, f"?{address.urlencode()}")


def _sorts(repo_type: RepoType) -> dict[str, Any]:
    return {
        name: title
        for name, (title, _order) in SORTS.items()
        if repo_type == RepoType.MODEL or name not in ("parameters", "small")
    }


def page_of(rows: QuerySet[Any], number: str | None, size: int) -> Page[Any]:
    """One page of a list; a number that is none, or too high, gives the nearest page there is."""
    return Paginator(rows, size).get_page(number)
