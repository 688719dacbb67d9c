"""The commits of a repo or of one path in it, newest first, and what each of them changed."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from models_app.access import may_read_content
from models_app.files import git_store
from models_app.storage.gitdiff import diff
from models_app.storage.gitpaths import path_history
from models_app.storage.gitstore import GitStore
from models_app.views.diffs import shown_changes
from models_app.views.files import revisions
from models_app.views.places import Place, find_place
from models_app.views.repo import repo_context
from models_app.views.support import HubRequest, page, repo_page

PAGE_SIZE = 50
MAX_PAGES_OF_PATH = 100


@require_safe
@page
def commits(request: HubRequest, repo_type: str, namespace: str, name: str, rest: str = "") -> HttpResponse:
    """One page of a revision's history, or of that of one file or folder."""
    repo = repo_page(request, repo_type, namespace, name)
    context = repo_context(request, repo, tab="commits")
    if not repo.head_oid:
        return render(request, "repo/commits.html", context)
    store = git_store(repo)
    place = find_place(store, rest or repo.default_branch)
    context |= revisions(store, place)
    context |= _of_path(store, place, request) if place.path else _of_all(store, place, request)
    return render(request, "repo/commits.html", context)


def _of_all(store: GitStore, place: Place, request: HubRequest) -> dict[str, object]:
    count = store.count_commits(place.oid)
    number = page_number(request.GET.get("page"), count)
    return {
        "commits": list(store.history(place.oid, (number - 1) * PAGE_SIZE, PAGE_SIZE)),
        "count": count,
        "newer": number - 1,
        "older": number + 1 if number * PAGE_SIZE < count else 0,
    }


def _of_path(store: GitStore, place: Place, request: HubRequest) -> dict[str, object]:
    number = page_number(request.GET.get("page"), MAX_PAGES_OF_PATH * PAGE_SIZE)
    found = path_history(store, place.oid, place.path, (number - 1) * PAGE_SIZE, PAGE_SIZE + 1)
    if not found:
        raise Http404
    entry = store.entry(place.oid, place.path)
    return {
        "commits": found[:PAGE_SIZE],
        "newer": number - 1,
        "older": number + 1 if len(found) > PAGE_SIZE else 0,
        "is_gone": entry is None,
        "is_file": entry is not None and entry.is_file,
    }


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
