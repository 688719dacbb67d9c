"""The page of one file: what it holds, who changed it last, and what can be done with it."""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from models_app.access import check_repo
from models_app.files import git_store
from models_app.models import Repo
from models_app.storage.gitstore import Entry
from models_app.views.files import may_offer, revisions
from models_app.views.looks import MAX_TEXT_BYTES, look_of
from models_app.views.places import Place, find_place, page_path, resolve_path
from models_app.views.repo import repo_context
from models_app.views.support import HubRequest, page, repo_page


@require_safe
@page
def file(request: HubRequest, repo_type: str, namespace: str, name: str, rest: str) -> HttpResponse:
    """One file as people read it; what cannot be shown is named with its size and a download link."""
    repo = repo_page(request, repo_type, namespace, name)
    store = git_store(repo)
    if not repo.head_oid:
        raise Http404
    place = find_place(store, rest)
    entry = store.entry(place.oid, place.path)
    if entry is None or not entry.is_file or not place.path:
        raise Http404
    check_repo(request.actor, repo)
    source = request.GET.get("view") == "source"
    look = look_of(repo, store, entry, source=source, revision=place.revision)
    shown = revisions(store, place)
    context = repo_context(request, repo, tab="files") | shown | look
    context |= {
        "entry": entry,
        "source": source,
        "commit": store.last_commits(place.oid, [place.path]).get(place.path),
        "resolve": resolve_path(repo, place),
        "permalink": permalink(repo, place),
        "may_change": may_offer(request, repo) and shown["on_branch"],
        "may_edit": may_edit(entry, look["kind"]),
    }
    return render(request, "repo/file.html", context)


def permalink(repo: Repo, place: Place) -> str:
    """The address of the file as it is now, whatever the branch comes to hold."""
    return f"{settings.HUB_PUBLIC_URL}{page_path(repo, 'blob', Place(place.oid, place.oid, place.path))}"


def may_edit(entry: Entry, kind: str) -> bool:
    """Whether the file is text that fits into the editor."""
    is_text = kind in ("text", "markdown", "table", "json", "notebook")
    return is_text and entry.pointer is None and entry.size <= MAX_TEXT_BYTES
