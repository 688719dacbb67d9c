"""The files of a repo: folders with each entry's last commit, and single files as people read them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import quote

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from models_app.access import check_repo
from models_app.content.highlight import highlight
from models_app.files import git_store
from models_app.models import Repo
from models_app.storage.errors import EntryNotFound, RevisionNotFound
from models_app.storage.gitstore import Entry, GitStore
from models_app.views.repo import repo_context
from models_app.views.support import HubRequest, page, repo_page

MAX_ENTRIES = 1000
MAX_TEXT_BYTES = 512 * 1024
MAX_REVISION_PARTS = 6
IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp")


@dataclass(frozen=True)
class Place:
    """Where in a repo a page is: the revision as people name it, its commit, and the path below it."""

    revision: str
    oid: str
    path: str

    @property
    def quoted_revision(self) -> str:
        return quote(self.revision, safe="")

    @property
    def quoted_path(self) -> str:
        return quote(self.path)

    @property
    def crumbs(self) -> list[tuple[str, str]]:
        """(name, path) of each folder on the way."""
        parts = self.path.split("/") if self.path else []
        return [(part, "/".join(parts[: count + 1])) for count, part in enumerate(parts)]


def find_place(store: GitStore, rest: str) -> Place:
    """Split `refs/pr/1/some/folder` into revision and path; a branch may have slashes in its name.

    The shortest prefix that names a revision wins, as on the wire, where a slash in a revision is quoted.
    """
    parts = rest.strip("/").split("/")
    for count in range(1, min(len(parts), MAX_REVISION_PARTS) + 1):
        revision = "/".join(parts[:count])
        try:
            return Place(revision, store.resolve(revision), "/".join(parts[count:]))
        except RevisionNotFound:
            continue
    raise Http404


@require_safe
@page
def folder(request: HubRequest, repo_type: str, namespace: str, name: str, rest: str = "") -> HttpResponse:
    """A folder's entries with size and last commit."""
    repo = repo_page(request, repo_type, namespace, name)
    store = git_store(repo)
    if not repo.head_oid:
        return render(request, "repo/files.html", repo_context(request, repo, tab="files"))
    place = find_place(store, rest or repo.default_branch)
    try:
        entries = list(islice(store.tree(place.oid, place.path), MAX_ENTRIES + 1))
    except EntryNotFound as missing:
        raise Http404 from missing
    return render(
        request, "repo/files.html", repo_context(request, repo, tab="files") | _listing(store, place, entries)
    )


def _listing(store: GitStore, place: Place, entries: list[Entry]) -> dict[str, Any]:
    shown = sorted(entries[:MAX_ENTRIES], key=lambda entry: (entry.is_file, entry.path))
    commits = store.last_commits(place.oid, [entry.path for entry in shown])
    rows = [
        (entry, entry.path.rpartition("/")[2], quote(entry.path), commits.get(entry.path)) for entry in shown
    ]
    branches, tags = store.refs()
    return {
        "place": place,
        "entries": rows,
        "is_cut": len(entries) > MAX_ENTRIES,
        "branches": branches,
        "tags_of_git": tags,
        "newest": store.commit(place.oid),
        "commit_count": store.count_commits(place.oid),
    }


@require_safe
@page
def file(request: HubRequest, repo_type: str, namespace: str, name: str, rest: str) -> HttpResponse:
    """One file: text highlighted, an image shown, anything else named with its size and a download link."""
    repo = repo_page(request, repo_type, namespace, name)
    store = git_store(repo)
    if not repo.head_oid:
        raise Http404
    place = find_place(store, rest)
    entry = store.entry(place.oid, place.path)
    if entry is None or not entry.is_file or not place.path:
        raise Http404
    check_repo(request.actor, repo)
    context = repo_context(request, repo, tab="files") | {
        "place": place,
        "entry": entry,
        "commit": store.last_commits(place.oid, [place.path]).get(place.path),
        "resolve": resolve_path(repo, place),
    }
    return render(request, "repo/file.html", context | _body(store, entry))


def resolve_path(repo: Repo, place: Place) -> str:
    """Where the raw bytes of the place are served."""
    return f"{repo.get_absolute_url()}/resolve/{place.quoted_revision}/{place.quoted_path}"


def _body(store: GitStore, entry: Entry) -> dict[str, Any]:
    """`kind` is image, text, large or binary; text comes with its highlighted lines."""
    if entry.path.lower().endswith(IMAGE_ENDINGS):
        return {"kind": "image"}
    if entry.pointer is not None or entry.size > MAX_TEXT_BYTES:
        return {"kind": "large"}
    data = store.blob(entry.oid)
    if b"\0" in data:
        return {"kind": "binary"}
    text = data.decode("utf-8", "replace")
    return {
        "kind": "text",
        "html": highlight(text, entry.path),
        "lines": range(1, len(text.splitlines()) + 1),
    }
