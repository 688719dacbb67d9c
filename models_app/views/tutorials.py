"""Tutorials: the list, and one article."""

from __future__ import annotations

from typing import Any

from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from models_app.discussions import threads_of
from models_app.models import Repo, RepoTag, RepoType
from models_app.search import search_repos
from models_app.views.articles import article_context, summary_of, title_of
from models_app.views.lists import page_of
from models_app.views.repo import repo_context
from models_app.views.support import HubRequest, page, repo_page

PAGE_SIZE = 20
SHOWN_TAGS = 14
SHOWN_THREADS = 5
SORTS = {
    "newest": (_("Newest"), ("-created_at", "-pk")),
    "likes": (_("Most likes"), ("-likes_count", "-created_at", "-pk")),
    "updated": (_("Recently updated"), ("-last_modified", "-pk")),
}


@require_safe
@page
def tutorials(request: HubRequest) -> HttpResponse:
    """Every tutorial the reader may see, by words and by topic."""
    text = request.GET.get("q", "").replace("\0", "").strip()[:200]
    tag = request.GET.get("tag", "").replace("\0", "")[:100]
    sort = request.GET.get("sort", "")
    sort = sort if sort in SORTS else "newest"
    visible = Repo.objects.visible_to(request.actor).of_type(RepoType.TUTORIAL)
    found = search_repos(visible, text) if text else visible
    if tag:
        found = found.filter(tag_rows__kind="tag", tag_rows__value=tag)
    rows = found.select_related("namespace", "card").prefetch_related("tag_rows").order_by(*SORTS[sort][1])
    shown = page_of(
        rows.defer("card__html", "card__siblings", "card__search_text"), request.GET.get("page"), PAGE_SIZE
    )
    tags = RepoTag.objects.filter(repo__in=visible, kind="tag").values_list("value")
    context: dict[str, Any] = {
        "section": "tutorials",
        "q": text,
        "tag": tag,
        "sort": sort,
        "sorts": {key: title for key, (title, _order) in SORTS.items()},
        "rows": shown,
        "articles": [_listed(repo) for repo in shown],
        "topics": tags.annotate(count=Count("pk")).order_by("-count", "value")[:SHOWN_TAGS],
    }
    return render(request, "tutorials/list.html", context)


def _listed(repo: Repo) -> dict[str, Any]:
    card = getattr(repo, "card", None)
    return {
        "repo": repo,
        "title": title_of(repo, card),
        "summary": summary_of(card),
        "tags": [row.value for row in repo.tag_rows.all() if row.kind == "tag"][:5],
    }


@require_safe
@page
def tutorial(request: HubRequest, namespace: str, name: str) -> HttpResponse:
    """One article, with what is said about it."""
    repo = repo_page(request, RepoType.TUTORIAL, namespace, name)
    context = repo_context(request, repo, tab="card")
    context |= article_context(request.actor, repo, context["card"])
    context["threads"] = (
        threads_of(repo)
        .select_related("author", "repo__namespace")
        .order_by("-last_activity_at", "-pk")[:SHOWN_THREADS]
    )
    return render(request, "tutorials/tutorial.html", context)
