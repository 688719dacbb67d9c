"""Trees and paths of a repo (hf-wire section 6)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any
from urllib.parse import parse_qs

from django.conf import settings
from django.http import JsonResponse
from rest_framework.request import Request

from models_app.api.repo_view import RepoAPIView
from models_app.api.wire import (
    JSON_LIMIT_BYTES,
    WireError,
    flag,
    json_object,
    next_link,
    query_int,
    read_limited,
    wire_time,
)
from models_app.files import git_store
from models_app.large_files import xet_hashes
from models_app.models import Repo
from models_app.storage.githistory import Commit
from models_app.storage.gitstore import Entry, GitStore
from models_app.storage.lfs import format_pointer

MAX_PAGE = 1000
MAX_EXPANDED_PAGE = 100  # a page with last commits walks history
MAX_PATHS = 10_000


def entry_json(entry: Entry, last: Commit | None = None, xet_hash: str = "") -> dict[str, Any]:
    """A tree entry as the wire has it; note `lfs.oid` here, where siblings say `lfs.sha256`."""
    found: dict[str, Any] = {"type": entry.type, "oid": entry.oid, "size": entry.size, "path": entry.path}
    if entry.pointer:
        pointer_size = len(format_pointer(entry.pointer))
        found["lfs"] = {"oid": entry.pointer.sha256, "size": entry.pointer.size, "pointerSize": pointer_size}
        if xet_hash:
            found["xetHash"] = xet_hash
    if last is not None:
        found["lastCommit"] = {"id": last.oid, "title": last.title, "date": wire_time(last.date)}
    return found


def _entries_json(
    repo: Repo, store: GitStore, oid: str, entries: Iterable[Entry], expand: bool
) -> list[dict[str, Any]]:
    rows = list(entries)
    last = store.last_commits(oid, [entry.path for entry in rows]) if expand else {}
    hashes = _xet_hashes(repo, rows)
    return [entry_json(entry, last.get(entry.path), hashes.get(entry.path, "")) for entry in rows]


def _xet_hashes(repo: Repo, entries: Iterable[Entry]) -> dict[str, str]:
    """By path; told only where clients are to download by Xet, since they take it for an invitation."""
    if not settings.HUB_XET_DOWNLOAD:
        return {}
    pointed = {entry.path: entry.pointer.sha256 for entry in entries if entry.pointer}
    found = xet_hashes(repo, pointed.values())
    return {path: found[sha256] for path, sha256 in pointed.items() if sha256 in found}


class Tree(RepoAPIView):
    """GET …/tree/{rev}[/{path}]: an array with `Link`; a file's path or a missing folder is EntryNotFound."""

    def get(self, request: Request, revision: str, path: str = "", **words: str) -> JsonResponse:
        repo = self.repo()
        store = git_store(repo)
        oid = store.resolve(revision)
        expand = flag(request.GET.get("expand"))
        highest = MAX_EXPANDED_PAGE if expand else MAX_PAGE
        limit = query_int(request, "limit", default=highest, lowest=1, highest=highest)
        start = query_int(request, "cursor", default=0, highest=10**9)
        recursive = flag(request.GET.get("recursive"))
        # Clients of 0.x rely on finding the folders of a level before its files.
        walk = store.tree(oid, path.strip("/"), recursive=recursive, folders_first=not recursive)
        page = list(islice(walk, start, start + limit + 1))
        headers = {"X-Repo-Commit": oid}
        if len(page) > limit:
            headers["Link"] = next_link(request, cursor=start + limit)
        return JsonResponse(
            _entries_json(repo, store, oid, page[:limit], expand), safe=False, headers=headers
        )


class PathsInfo(RepoAPIView):
    """POST …/paths-info/{rev}, form-encoded or JSON; paths that are not there are left out."""

    def post(self, request: Request, revision: str, **words: str) -> JsonResponse:
        repo = self.repo()
        store = git_store(repo)
        oid = store.resolve(revision)
        paths, expand = _asked_paths(request)
        found = [store.entry(oid, path.strip("/")) for path in paths if path.strip("/")]
        entries = [entry for entry in found if entry is not None]
        return JsonResponse(_entries_json(repo, store, oid, entries, expand), safe=False)


def _asked_paths(request: Request) -> tuple[list[str], bool]:
    if "json" in (request.content_type or ""):
        body = json_object(request)
        paths, expand = body.get("paths", []), body.get("expand") is True
    else:
        body = _form(request)
        paths, expand = body.get("paths", []), flag("".join(body.get("expand", [])))
    if isinstance(paths, str):
        paths = [paths]
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise WireError(400, "'paths' must be a list of strings.")
    if len(paths) > MAX_PATHS:
        raise WireError(400, f"At most {MAX_PATHS} paths may be asked for at once.")
    return paths, expand


def _form(request: Request) -> dict[str, list[str]]:
    text = read_limited(request, JSON_LIMIT_BYTES).decode("utf-8", "replace")
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=MAX_PATHS + 10)
    except ValueError as error:
        raise WireError(400, f"At most {MAX_PATHS} paths may be asked for at once.") from error
