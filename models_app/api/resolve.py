"""Downloads: `resolve` and `raw` with ETag, Range and the client's headers (hf-wire section 9)."""

from __future__ import annotations

import re
from urllib.parse import quote

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from rest_framework.request import Request

from models_app.api.counting import count_request
from models_app.api.ranges import asked_span, outside
from models_app.api.recent import is_read_once
from models_app.api.repo_view import RepoAPIView
from models_app.api.xet_download import read_token_path, xet_headers
from models_app.content.filetypes import served_type
from models_app.files import git_store, large_file_of, stream_large_file
from models_app.models import LargeFile
from models_app.storage.errors import EntryNotFound
from models_app.storage.gitstore import Entry, GitStore

# A user's file is shown on the hub's own origin: it gets no script, no form, no frame, no network.
SANDBOX = "sandbox; default-src 'none'; img-src 'self' data:; media-src 'self'; style-src 'unsafe-inline'"


class Resolve(RepoAPIView):
    """GET and HEAD {E}/{P}{id}/resolve/{rev}/{path}; HEAD has the headers of a full GET and no body."""

    def get(self, request: Request, revision: str, path: str, **words: str) -> HttpResponseBase:
        repo = self.repo(content=True)
        store = git_store(repo)
        oid, entry = find_file(store, revision, path)
        content: bytes | LargeFile | None
        if entry.pointer:
            content = large_file_of(repo, entry.pointer)
            if content is None:
                raise EntryNotFound(f"The content of {path} is not stored on this hub.", oid)
        else:
            content = store.blob(entry.oid)
        count_request(request, self.actor, repo, store, oid, path)
        sample = content[:512] if isinstance(content, bytes) else None
        headers = {"X-Repo-Commit": oid, **content_headers(request, entry, sample)}
        if isinstance(content, LargeFile):
            headers |= xet_headers(read_token_path(words["kind"], repo, oid), content)
        if unchanged(request, entry.etag):
            return HttpResponse(status=304, headers=headers)
        return ranged(request, entry, content, headers)


class Raw(RepoAPIView):
    """GET and HEAD …/raw/{rev}/{path}: what git holds, of a large file its pointer; always plain text."""

    def get(self, request: Request, revision: str, path: str, **words: str) -> HttpResponseBase:
        store = git_store(self.repo(content=True))
        oid, entry = find_file(store, revision, path)
        data = store.blob(entry.oid)
        headers = {
            **_common_headers(),
            "X-Repo-Commit": oid,
            "ETag": f'"{entry.oid}"',
            "Content-Length": str(len(data)),
        }
        return HttpResponse(data, content_type="text/plain; charset=utf-8", headers=headers)


def find_file(store: GitStore, revision: str, path: str) -> tuple[str, Entry]:
    """The commit and the file, or RevisionNotFound / EntryNotFound (which carries the commit, so that clients
    may remember the absence)."""
    oid = store.resolve(revision)
    entry = store.entry(oid, path)
    if entry is None or not entry.is_file:
        raise EntryNotFound("Entry not found", oid)
    return oid, entry


def _common_headers() -> dict[str, str]:
    return {
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": SANDBOX,
        "Cache-Control": "private, no-cache",
    }


def content_headers(request: Request, entry: Entry, sample: bytes | None = None) -> dict[str, str]:
    """What goes with the content of a file; `sample`, its first bytes, helps to tell its type."""
    content_type = served_type(entry.path, sample)
    attached = "download" in request.GET or content_type == "application/octet-stream"
    headers = {
        **_common_headers(),
        "ETag": f'"{entry.etag}"',
        "Accept-Ranges": "bytes",
        "Content-Type": content_type,
        "Content-Disposition": disposition("attachment" if attached else "inline", entry.path),
    }
    if entry.pointer:
        headers["X-Linked-Etag"] = f'"{entry.etag}"'
        headers["X-Linked-Size"] = str(entry.size)
    return headers


def disposition(kind: str, path: str) -> str:
    """`Content-Disposition` with the file's own name, whatever letters it has."""
    name = path.rsplit("/", 1)[-1]
    plain = re.sub(r"[^ -!#-\[\]-~]", "_", name)
    return f"{kind}; filename*=UTF-8''{quote(name, safe='')}; filename=\"{plain}\";"


def unchanged(request: Request, etag: str) -> bool:
    """Whether the caller has just this content already."""
    known = request.headers.get("If-None-Match", "").split(",")
    return any(tag.strip().removeprefix("W/") in (f'"{etag}"', "*") for tag in known)


def ranged(
    request: Request, entry: Entry, content: bytes | LargeFile, headers: dict[str, str]
) -> HttpResponseBase:
    """The part of the content that is asked for: 200, 206, or 416 outside it; no body for HEAD."""
    span = asked_span(request, entry.size, entry.etag)
    if span.is_outside:
        return outside(entry.size)
    headers = headers | span.headers
    if request.method == "HEAD":
        return HttpResponse(b"", status=span.status, headers=headers)
    if isinstance(content, bytes):
        return HttpResponse(content[span.start : span.stop], status=span.status, headers=headers)
    once = is_read_once(f"{content.sha256} {span.start}", span.stop - span.start)
    pieces = stream_large_file(content, span.start, span.stop, once=once)
    return StreamingHttpResponse(pieces, status=span.status, headers=headers)
