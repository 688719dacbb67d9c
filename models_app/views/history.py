"""The commits of a repo, newest first."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from models_app.access import may_read_content
from models_app.files import git_store
from models_app.storage.gitdiff import diff
from models_app.views.diffs import shown_changes
from models_app.views.files import find_place
from models_app.views.repo import repo_context
from models_app.views.support import HubRequest, page, repo_page

PAGE_SIZE = 50


@require_safe
@page
def commits(request: HubRequest, repo_type: str, namespace: str, name: str, rest: str = "") -> HttpResponse:
    """One page of a revision's history."""
    repo = repo_page(request, repo_type, namespace, name)
    context = repo_context(request, repo, tab="commits")
    if not repo.head_oid:
        return render(request, "repo/commits.html", context)
    store = git_store(repo)
    place = find_place(store, rest or repo.default_branch)
    if place.path:
        raise Http404
    count = store.count_commits(place.oid)
    number = page_number(request.GET.get("page"), count)
    context |= {
        "place": place,
        "commits": list(store.history(place.oid, (number - 1) * PAGE_SIZE, PAGE_SIZE)),
        "count": count,
        "newer": number - 1,
        "older": number + 1 if number * PAGE_SIZE < count else 0,
    }
    return render(request, "repo/commits.html", context)


@require_safe
@page
def commit(request: HubRequest, repo_type: str, namespace: str, name: str, rest: str) -> HttpResponse:
    """One commit and what it changed; the address that the wire gives as `commitUrl`."""
    repo = repo_page(request, repo_type, namespace, name)
    store = git_store(repo)
    place = find_place(store, rest)
    if place.path:
        raise Http404
    found = store.commit(place.oid)
    parent = found.parents[0] if found.parents else ""
    context = repo_context(request, repo, tab="commits") | {"commit": found, "parent": parent}
    if not may_read_content(request.actor, repo):
        context["is_gated"] = True
    elif parent:
        context |= shown_changes(diff(store, parent, place.oid))
    return render(request, "repo/commit.html", context)


def page_number(text: str | None, count: int) -> int:
    """The wanted page, pulled into the pages there are."""
    wanted = int(text) if text and text.isascii() and text.isdigit() and len(text) < 9 else 1
    return max(1, min(wanted, -(-count // PAGE_SIZE)))
