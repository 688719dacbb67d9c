"""The lists of repos of each type: search, filters, sorting, pages (hf-wire section 5)."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.http import JsonResponse
from django.urls import path
from rest_framework.request import Request

from models_app.api.cursors import FieldOrder, Order, RelevanceOrder
from models_app.api.expand import check_expand
from models_app.api.facts import gather
from models_app.api.summaries import list_properties, summary_json
from models_app.api.wire import HubAPIView, WireError, flag, next_link, query_int, query_words
from models_app.models import WIRE_TYPES, Benchmark, Repo, RepoQuerySet, RepoTag, RepoType
from models_app.search import search_repos

MAX_PAGE = 1000
MAX_HEAVY_PAGE = 100
DEFAULT_PAGE = 100
_SORTS = {
    "lastModified": "last_modified",
    "last_modified": "last_modified",
    "createdAt": "created_at",
    "created_at": "created_at",
    "trendingScore": "trending_score",
    "trending_score": "trending_score",
    "downloads": "downloads_30d",
    "likes": "likes_count",
}
_HEAVY = {"siblings", "evalResults", "baseModels", "childrenModelCount", "spaces"}
# The card's long columns, and the properties that are read off each.
_COLUMNS: dict[str, set[str]] = {
    "card__html": set(),
    "card__search_text": set(),
    "card__preview": set(),
    "card__siblings": {"siblings"},
    "card__metadata": {"cardData", "model-index", "sdk"},
    "card__dtype_counts": {"safetensors"},
}
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
_AMOUNT = re.compile(r"(min|max):(\d{1,15}(?:\.\d{1,6})?)([KMBT]?)", re.IGNORECASE)


class RepoList(HubAPIView):
    """An array of repos the caller may see and a `Link` to the next page while there is one."""

    def get(self, request: Request, repo_type: str) -> JsonResponse:
        expand = [word for key in ("expand", "expand[]") for word in request.GET.getlist(key)]
        check_expand(repo_type, expand)
        wanted = dict.fromkeys(expand or _listed(request, repo_type))
        heavy = flag(request.GET.get("full")) or _HEAVY.intersection(wanted)
        highest = MAX_HEAVY_PAGE if heavy else MAX_PAGE
        limit = query_int(request, "limit", default=DEFAULT_PAGE, lowest=1, highest=highest)
        found = _filtered(request, Repo.objects.visible_to(self.actor).of_type(repo_type), repo_type)
        order, found = _ordered(request, found)
        page, cursor = order.page(_loaded(found, wanted), request.GET.get("cursor", ""), limit)
        headers = {"Link": next_link(request, cursor=cursor)} if cursor else {}
        facts = gather(self.actor, page, wanted)
        rows = [summary_json(repo, wanted, facts) for repo in page]
        return JsonResponse(rows, safe=False, headers=headers)


def _listed(request: Request, repo_type: str) -> Collection[str]:
    """The properties of an item by the flags of the query."""
    return list_properties(
        repo_type,
        full=flag(request.GET.get("full")),
        card_data=flag(request.GET.get("cardData")),
        config=flag(request.GET.get("config")),
        uses=any(request.GET.get(name) for name in ("models", "datasets", "linked")),
    )


def _filtered(request: Request, repos: RepoQuerySet, repo_type: str) -> RepoQuerySet:
    for author in query_words(request, "author")[:1]:
        repos = repos.filter(namespace__name__lower=author.lower())
    for tag in [
        *query_words(request, "filter"),
        *query_words(request, "filter[]"),
        *query_words(request, "tags"),
    ]:
        repos = repos.filter(has_tag(tag))
    if "gated" in request.GET:
        repos = repos.exclude(gated="false") if flag(request.GET["gated"]) else repos.filter(gated="false")
    if repo_type == RepoType.MODEL:
        repos = _filtered_models(request, repos)
    if repo_type == RepoType.SPACE:
        repos = _filtered_spaces(request, repos)
    return search_repos(repos, " ".join(query_words(request, "search")))


def _filtered_models(request: Request, repos: RepoQuerySet) -> RepoQuerySet:
    for task in query_words(request, "pipeline_tag"):
        repos = repos.filter(card__pipeline_tag=task)
    for library in query_words(request, "library"):
        repos = repos.filter(Q(card__library_name=library) | has_tag(library))
    if "num_parameters" in request.GET:
        repos = repos.filter(_parameters(request.GET["num_parameters"]))
    # Nothing here is deployed behind an inference provider or opens in an app of the public hub.
    asked = ("inference", "inference_provider", "apps")
    return repos.none() if any(query_words(request, name) for name in asked) else repos


def _filtered_spaces(request: Request, repos: RepoQuerySet) -> RepoQuerySet:
    """By the models and datasets that their cards name; `linked` is any of either."""
    for parameter, kind in (("models", "model"), ("datasets", "dataset")):
        for repo_id in query_words(request, parameter):
            repos = repos.filter(_uses(kind=kind, value__iexact=repo_id))
    if flag(request.GET.get("linked")):
        repos = repos.filter(_uses(kind__in=("model", "dataset")))
    return repos


def _uses(**tag: Any) -> Exists:
    return Exists(RepoTag.objects.filter(repo=OuterRef("pk"), **tag))


def has_tag(text: str) -> Exists:
    """A tag as the wire spells it: `license:mit`, `base_model:finetune:a/b`, or plain (also a language)."""
    if text == "benchmark:official":
        return Exists(Benchmark.objects.filter(repo=OuterRef("pk"), is_listed=True))
    kind, colon, value = text.partition(":")
    same = Q(kind="tag", value=text) | Q(kind="language", value=text)
    if colon:
        same |= Q(kind=kind, value=value)
    return Exists(RepoTag.objects.filter(same, repo=OuterRef("pk")))


def _parameters(text: str) -> Q:
    """`min:6B,max:128B` (either half may be missing), inclusive; WireError 400 for anything else."""
    condition = Q(card__parameters__isnull=False)
    for part in text.split(","):
        match = _AMOUNT.fullmatch(part.strip())
        if match is None:
            raise WireError(400, "'num_parameters' must look like min:6B,max:128B.")
        amount = int(float(match[2]) * _UNITS[match[3].upper()])
        lookup = "gte" if match[1].lower() == "min" else "lte"
        condition &= Q(**{f"card__parameters__{lookup}": amount})
    return condition


def _ordered(request: Request, repos: RepoQuerySet) -> tuple[Order, RepoQuerySet]:
    sort, direction = request.GET.get("sort", ""), request.GET.get("direction", "-1")
    if direction not in ("-1", "1"):
        raise WireError(400, "'direction' must be -1 or 1.")
    if not sort and query_words(request, "search"):
        return RelevanceOrder(), repos
    field = _SORTS.get(sort or "trendingScore")
    if field is None:
        known = ", ".join(name for name in _SORTS if "_" not in name)
        raise WireError(400, f"Cannot sort by {sort[:60]!r}; 'sort' must be one of: {known}.")
    return FieldOrder(field, descending=direction == "-1"), repos


def _loaded(repos: RepoQuerySet, wanted: Collection[str]) -> RepoQuerySet:
    """The rows with what an item shows, and without the columns it does not, which may be long."""
    unread = [column for column, names in _COLUMNS.items() if not names.intersection(wanted)]
    return repos.select_related("namespace", "card").defer(*unread)


urlpatterns = [
    path(f"api/{repo_type}s", RepoList.as_view(), {"repo_type": repo_type.value}) for repo_type in WIRE_TYPES
]
