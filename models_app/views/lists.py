"""The lists of models, datasets, spaces and kernels: search, filters, sorting, pages."""

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


@dataclass(frozen=True)
class Column:
    """Where the values of a facet are; `kind` where they are tags of that kind."""

    title: Any
    path: str
    kind: str = ""

    def having(self, **lookup: str) -> Q:
        """Repos whose value fits, as `having(exact="mit")`; of tags, one tag fits kind and value."""
        condition = Q(**{f"{self.path}__{name}": value for name, value in lookup.items()})
        return condition & Q(tag_rows__kind=self.kind) if self.kind else condition


HEADINGS = {
    RepoType.MODEL: _("Models"),
    RepoType.DATASET: _("Datasets"),
    RepoType.SPACE: _("Spaces"),
    RepoType.KERNEL: _("Kernels"),
}
_LICENSE = Column(_("Licence"), "card__license")
MODEL_FACETS = {
    "task": Column(_("Task"), "card__pipeline_tag"),
    "library": Column(_("Library"), "card__library_name"),
    "license": _LICENSE,
}
DATASET_FACETS = {"task": Column(_("Task"), "tag_rows__value", "task_categories"), "license": _LICENSE}
STORED_FACETS = {"license": _LICENSE}


@require_safe
@page
def models(request: HubRequest) -> HttpResponse:
    """Every model the actor may see."""
    return _list(request, RepoType.MODEL, MODEL_FACETS)


@require_safe
@page
def datasets(request: HubRequest) -> HttpResponse:
    """Every dataset the actor may see."""
    return _list(request, RepoType.DATASET, DATASET_FACETS)


@require_safe
@page
def spaces(request: HubRequest) -> HttpResponse:
    """Every space the actor may see."""
    return _list(request, RepoType.SPACE, STORED_FACETS)


@require_safe
@page
def kernels(request: HubRequest) -> HttpResponse:
    """Every kernel the actor may see."""
    return _list(request, RepoType.KERNEL, STORED_FACETS)


def _list(request: HubRequest, repo_type: RepoType, columns: dict[str, Column]) -> HttpResponse:
    text = request.GET.get("search", "").replace("\0", "").strip()[:LONGEST_QUERY]
    chosen = {name: request.GET.get(name, "").replace("\0", "")[:100] for name in columns}
    sort = request.GET.get("sort", "")
    if sort not in SORTS:
        sort = "" if text else "trending"
    everything = search_repos(Repo.objects.visible_to(request.actor).of_type(repo_type), text)
    found = everything.filter(_narrow(columns, chosen))
    if sort:
        found = found.order_by(*SORTS[sort][1])
    context = {
        "section": f"{repo_type}s",
        "repo_type": repo_type,
        "heading": HEADINGS[repo_type],
        "search": text,
        "sort": sort,
        "sorts": _sorts(repo_type),
        "facets": [_facet(everything, request.GET, columns, name, chosen) for name in columns],
        "is_narrowed": bool(text or any(chosen.values())),
        "rows": page_of(found.for_lists().defer(*HEAVY), request.GET.get("page"), PAGE_SIZE),
    }
    return render(request, "lists/repos.html", context)


def _narrow(columns: dict[str, Column], chosen: dict[str, str], but: str = "") -> Q:
    condition = Q()
    for name, value in chosen.items():
        if value and name != but:
            condition &= columns[name].having(exact=value)
    return condition


def _facet(
    everything: RepoQuerySet, query: QueryDict, columns: dict[str, Column], name: str, chosen: dict[str, str]
) -> Facet:
    """The values of one facet, counted under every other choice; the chosen one stays even at zero."""
    column = columns[name]
    found = everything.filter(_narrow(columns, chosen, but=name)).filter(column.having(gt=""))
    counted = found.order_by().values_list(column.path).annotate(count=Count("pk", distinct=True))
    values = dict(counted.order_by("-count", column.path)[:MAX_FACETS])
    if chosen[name]:
        values.setdefault(chosen[name], 0)
    choices = [_choice(query, name, value, count, chosen[name]) for value, count in values.items()]
    return Facet(name, column.title, choices)


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
