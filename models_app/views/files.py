"""The folders of a repo: entries with size and last commit, a page of them at a time, found by name."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from models_app.files import git_store
from models_app.models import Repo
from models_app.storage.errors import EntryNotFound
from models_app.storage.gitlisting import entries_of, list_names
from models_app.storage.gitstore import GitStore
from models_app.views.places import Place, find_place
from models_app.views.repo import repo_context
from models_app.views.support import HubRequest, page, repo_page

PAGE_SIZE = 200
MAX_FILTER = 200


@require_safe
@page
def folder(request: HubRequest, repo_type: str, namespace: str, name: str, rest: str = "") -> HttpResponse:
    """A folder's entries with size and last commit."""
    repo = repo_page(request, repo_type, namespace, name)
    store = git_store(repo)
    context = repo_context(request, repo, tab="files") | {"may_offer": may_offer(request, repo)}
    if not repo.head_oid:
        return render(request, "repo/files.html", context)
    place = find_place(store, rest or repo.default_branch)
    try:
        listing = _listing(request, store, place)
    except EntryNotFound as missing:
        raise Http404 from missing
    return render(request, "repo/files.html", context | revisions(store, place) | listing)


def _listing(request: HubRequest, store: GitStore, place: Place) -> dict[str, Any]:
    """One page of the folder's entries, of those only whose name holds what is looked for."""
    found = list_names(store, place.oid, place.path)
    wanted = request.GET.get("q", "")[:MAX_FILTER].strip()
    pages = Paginator(found.holding(wanted), PAGE_SIZE)
    rows = pages.get_page(request.GET.get("page"))
    entries = entries_of(store, place.oid, place.path, rows.object_list)
    commits = store.last_commits(place.oid, [entry.path for entry in entries])
    return {
        "entries": [
            (entry, entry.path.rpartition("/")[2], quote(entry.path), commits.get(entry.path))
            for entry in entries
        ],
        "rows": rows,
        "wanted": wanted,
        "total": len(found.names),
        "found": pages.count,
        "is_cut": found.is_cut,
        "has_filter": len(found.names) > 10,
        "newest": store.commit(place.oid),
        "commit_count": store.count_commits(place.oid),
    }


def revisions(store: GitStore, place: Place) -> dict[str, Any]:
    """What the switch between branches and tags shows."""
    branches, tags = store.refs()
    return {
        "place": place,
        "branches": branches,
        "tags_of_git": tags,
        "on_branch": any(ref.name == place.revision for ref in branches),
    }


def may_offer(request: HubRequest, repo: Repo) -> bool:
    """Whether the visitor may change files here, or offer a change as a pull request."""
    return request.actor.user is not None and repo.disabled_at is None
