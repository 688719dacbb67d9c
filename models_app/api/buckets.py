"""Buckets on the wire (section 16): themselves, their files, the batch that changes them, downloads.

Content goes up and comes down by Xet, with tickets of the bucket; a plain GET works too.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.urls import path, re_path
from rest_framework.request import Request

from accounts.actor import Level
from accounts.models import Namespace
from models_app.access import LoginRequired, RepoNotFound
from models_app.actions import buckets as actions
from models_app.actions.bucket_files import (
    MAX_OPERATIONS,
    MAX_PATH_LENGTH,
    Operation,
    PutFile,
    RemoveFile,
    change_files,
)
from models_app.api.bucket_feed import BucketEvents
from models_app.api.bucket_view import BucketAPIView, own_name
from models_app.api.resolve import SANDBOX, disposition, ranged, unchanged
from models_app.api.wire import (
    HubAPIView,
    WireError,
    error_response,
    flag,
    json_object,
    next_link,
    paginate,
    public_url,
    query_int,
    read_ndjson,
    text_field,
    wire_time,
)
from models_app.api.xet import connection, mint_ticket
from models_app.buckets import Folder, files_of, list_level, resume_after, visible_buckets, with_totals
from models_app.content.filetypes import served_type
from models_app.models import Bucket, BucketFile
from models_app.storage.errors import EntryNotFound
from models_app.storage.gitstore import Entry
from models_app.storage.lfs import Pointer

PAGE_SIZE = 1000
LIST_SIZE = 100
MAX_PATHS = 1000
_BATCH_BYTES, _LINE_BYTES = 8 * 1024**2, 16 * 1024
_LATEST_MS = 253_402_300_799_999  # the last millisecond of the year 9999


# --- buckets


class Buckets(HubAPIView):
    """GET /api/buckets/{namespace}: those the caller may know of; `me` is one's own, `search` in the name."""

    def get(self, request: Request, namespace: str) -> JsonResponse:
        name = own_name(self.actor, namespace)
        owner = Namespace.objects.filter(name__lower=name.lower()).first() if name.isprintable() else None
        if owner is None:
            raise RepoNotFound(f"There is no user or organization named {name[:96]!r}.")
        rows = visible_buckets(self.actor).filter(namespace=owner)
        search = request.GET.get("search", "")[:200].replace("\0", "")
        if search:
            rows = rows.filter(name__icontains=search)
        limit = query_int(request, "limit", default=LIST_SIZE, lowest=1, highest=LIST_SIZE)
        page, headers = paginate(request, with_totals(rows).order_by("-updated_at", "-pk"), limit)
        return JsonResponse([_bucket_json(bucket) for bucket in page], safe=False, headers=headers)


class BucketRoot(BucketAPIView):
    """GET, POST, DELETE /api/buckets/{namespace}/{name}: look, create, delete."""

    def get(self, request: Request, **words: str) -> JsonResponse:
        bucket = self.bucket()
        rows: QuerySet[Bucket] = Bucket.objects.filter(pk=bucket.pk).select_related("namespace")
        return JsonResponse(_bucket_json(with_totals(rows).get()))

    def post(self, request: Request, namespace: str, name: str) -> JsonResponse:
        """Answers `url`; also with 409, which `exist_ok` needs."""
        if self.actor.user is None:
            raise LoginRequired("Invalid username or password.")
        body = json_object(request)
        for field in ("region", "resourceGroupId"):
            if body.get(field) is not None:
                raise WireError(400, f"This hub has no {field!r} to choose: leave it out.")
        try:
            owner = own_name(self.actor, namespace)
            private = _wanted_private(body)
            bucket = actions.create_bucket(self.actor, namespace=owner, name=name, private=private)
        except actions.BucketExists as error:
            return error_response(409, error.message, url=_url(error.bucket), name=error.bucket.bucket_id)
        return JsonResponse({"url": _url(bucket), "name": bucket.bucket_id, "id": str(bucket.uuid)})

    def delete(self, request: Request, **words: str) -> JsonResponse:
        actions.delete_bucket(self.actor, bucket=self.bucket(Level.ADMIN))
        return JsonResponse({"success": True})


class BucketSettings(BucketAPIView):
    """PUT /api/buckets/{id}/settings: `private` or `visibility`; answers them as they are now."""

    def put(self, request: Request, **words: str) -> JsonResponse:
        private = _wanted_private(json_object(request))
        if private is None:
            raise WireError(400, "'private' must be true or false.")
        bucket = actions.change_bucket(self.actor, bucket=self.bucket(Level.ADMIN), private=private)
        return JsonResponse({"private": bucket.private, "visibility": _visibility(bucket)})


def _wanted_private(body: dict[str, Any]) -> bool | None:
    visibility, private = body.get("visibility"), body.get("private")
    if visibility not in (None, "public", "private"):
        raise WireError(400, "'visibility' must be public or private.")
    if private is not None and not isinstance(private, bool):
        raise WireError(400, "'private' must be true or false.")
    return bool(visibility == "private") if visibility else private


def _visibility(bucket: Bucket) -> str:
    return "private" if bucket.private else "public"


def _url(bucket: Bucket) -> str:
    return public_url(bucket.get_absolute_url())


def _bucket_json(bucket: Any) -> dict[str, Any]:
    """A bucket of `with_totals`."""
    return {
        "id": bucket.bucket_id,
        "author": bucket.namespace.name,
        "private": bucket.private,
        "visibility": _visibility(bucket),
        "createdAt": wire_time(bucket.created_at),
        "updatedAt": wire_time(bucket.updated_at),
        "size": bucket.total_size,
        "totalFiles": bucket.total_files,
    }


# --- what lies in it


class BucketTree(BucketAPIView):
    """GET /api/buckets/{id}/tree[/{prefix}]: one level of files and folders; all files with `recursive`."""

    def get(self, request: Request, prefix: str = "", **words: str) -> JsonResponse:
        bucket = self.bucket()
        limit = query_int(request, "limit", default=PAGE_SIZE, lowest=1, highest=PAGE_SIZE)
        after = request.GET.get("cursor", "")
        if "\0" in prefix or "\0" in after:  # no stored path holds one, and PostgreSQL refuses to compare
            return JsonResponse([], safe=False)
        entries: list[BucketFile | Folder]
        if flag(request.GET.get("recursive")):
            entries = list(files_of(bucket, prefix, after)[: limit + 1])
        else:
            entries = list(islice(list_level(bucket, prefix, after), limit + 1))
        headers = {}
        if len(entries) > limit:
            headers["Link"] = next_link(request, cursor=resume_after(entries[limit - 1]))
        return JsonResponse([_entry_json(entry) for entry in entries[:limit]], safe=False, headers=headers)


class BucketPaths(BucketAPIView):
    """POST /api/buckets/{id}/paths-info: those of `paths` that are files; others are passed over."""

    def post(self, request: Request, **words: str) -> JsonResponse:
        bucket = self.bucket()
        paths = json_object(request).get("paths")
        if not isinstance(paths, list) or not all(isinstance(one, str) for one in paths):
            raise WireError(400, "'paths' must be a list of paths.")
        if len(paths) > MAX_PATHS:
            raise WireError(400, f"At most {MAX_PATHS} paths can be asked for at once.")
        known = [one for one in paths if len(one) <= MAX_PATH_LENGTH and _storable(one)]
        rows = BucketFile.objects.filter(bucket=bucket, path__in=known).select_related("file")
        return JsonResponse([_entry_json(row) for row in rows.order_by("pk")], safe=False)


def _storable(text: str) -> bool:
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def _entry_json(entry: BucketFile | Folder) -> dict[str, Any]:
    if isinstance(entry, Folder):
        return {"type": "directory", "path": entry.path, "uploadedAt": wire_time(entry.uploaded_at)}
    told: dict[str, Any] = {
        "type": "file",
        "path": entry.path,
        "size": entry.file.size,
        "xetHash": entry.file.xet_hash,
        "uploadedAt": wire_time(entry.uploaded_at),
    }
    if entry.mtime:
        told["mtime"] = wire_time(entry.mtime)
    if entry.content_type:
        told["contentType"] = entry.content_type
    return told


# --- changing it


class BucketBatch(BucketAPIView):
    """POST /api/buckets/{id}/batch: one operation a line. 200 with `failed` where some could not be done, 422
    where none could."""

    def post(self, request: Request, **words: str) -> JsonResponse:
        bucket = self.bucket(Level.WRITE)
        operations = []
        for line in read_ndjson(request, _BATCH_BYTES, _LINE_BYTES):
            if len(operations) == MAX_OPERATIONS:
                raise WireError(400, f"A batch has at most {MAX_OPERATIONS} operations; send them in parts.")
            operations.append(_operation(line))
        if not operations:
            raise WireError(400, "The batch holds no operation.")
        failures = change_files(self.actor, bucket=bucket, operations=operations)
        done = len(operations) - len(failures)
        body = {
            "success": not failures,
            "processed": len(operations),
            "succeeded": done,
            "failed": [{"path": one.path, "error": one.error} for one in failures],
        }
        if not done:
            return error_response(422, "None of the operations could be done.", **body)
        return JsonResponse(body)


def _operation(line: dict[str, Any]) -> Operation:
    kind = line.get("type")
    where = text_field(line, "path", limit=8192)
    if kind == "deleteFile":
        return RemoveFile(where)
    if kind not in ("addFile", "copyFile"):
        raise WireError(400, "'type' of an operation must be addFile, copyFile or deleteFile.")
    source = None
    if kind == "copyFile":
        source = (
            text_field(line, "sourceRepoType", limit=20),
            text_field(line, "sourceRepoId", limit=200),
        )
    return PutFile(
        where,
        xet_hash=text_field(line, "xetHash", limit=64).lower(),
        mtime=_moment(line.get("mtime")),
        content_type=text_field(line, "contentType", limit=200, default="")[:100].replace("\0", ""),
        source=source,
    )


def _moment(value: Any) -> datetime | None:
    """Milliseconds since 1970, as the client reads them off a file."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LATEST_MS:
        raise WireError(400, "'mtime' must be a number of milliseconds since 1970.")
    return datetime.fromtimestamp(value / 1000, UTC)


# --- its content


class BucketXetToken(BucketAPIView):
    """GET /api/buckets/{id}/xet-{read|write}-token: JSON for hf-xet, headers for Python."""

    access = "read"

    def get(self, request: HttpRequest, **words: str) -> HttpResponse:
        bucket = self.bucket(Level.WRITE if self.access == "write" else Level.READ)
        return connection(mint_ticket(self.actor, bucket, self.access))


class BucketResolve(BucketAPIView):
    """GET and HEAD /buckets/{id}/resolve/{path}: the content, with where to get it by Xet (section 19.1)."""

    def get(self, request: Request, path: str, **words: str) -> HttpResponseBase:
        bucket = self.bucket()
        rows = BucketFile.objects.filter(bucket=bucket).select_related("file")
        row = rows.filter(path=path).first() if _storable(path) else None
        if row is None:
            raise EntryNotFound("Entry not found")
        pointer = Pointer(row.file.sha256, row.file.size)
        entry = Entry("file", row.path, "", row.file.size, pointer)
        headers = _file_headers(request, bucket, row)
        if unchanged(request, entry.etag):
            return HttpResponse(status=304, headers=headers)
        return ranged(request, entry, row.file, headers)


def _file_headers(request: Request, bucket: Bucket, row: BucketFile) -> dict[str, str]:
    # The sender's own content type is only told: what is served as what, the name decides, as in repos.
    content_type = served_type(row.path, None)
    attached = "download" in request.GET or content_type == "application/octet-stream"
    token_url = public_url(f"/api/buckets/{bucket.bucket_id}/xet-read-token")
    return {
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": SANDBOX,
        "Cache-Control": "private, no-cache",
        "ETag": f'"{row.file.sha256}"',
        "Accept-Ranges": "bytes",
        "Content-Type": content_type,
        "Content-Disposition": disposition("attachment" if attached else "inline", row.path),
        "X-Linked-Etag": f'"{row.file.sha256}"',
        "X-Linked-Size": str(row.file.size),
        "X-Xet-Hash": row.file.xet_hash,
        "Link": f'<{token_url}>; rel="xet-auth"',
    }


class NoSuchBucketRoute(BucketAPIView):
    """Whatever else is asked of a bucket: the bucket is missing, or the endpoint is."""

    def _answer(self, request: Request, rest: str, **words: str) -> JsonResponse:
        self.bucket()
        raise WireError(404, f"This hub does not serve {rest[:100]!r} for a bucket.")

    get = post = put = patch = delete = _answer


_BUCKET = "api/buckets/<str:namespace>/<str:name>"
urlpatterns = [
    path("api/buckets/<str:namespace>", Buckets.as_view()),
    path(_BUCKET, BucketRoot.as_view()),
    path(f"{_BUCKET}/settings", BucketSettings.as_view()),
    path(f"{_BUCKET}/tree", BucketTree.as_view()),
    path(f"{_BUCKET}/tree/<path:prefix>", BucketTree.as_view()),
    path(f"{_BUCKET}/paths-info", BucketPaths.as_view()),
    path(f"{_BUCKET}/batch", BucketBatch.as_view()),
    path(f"{_BUCKET}/events", BucketEvents.as_view()),
    path(f"{_BUCKET}/xet-read-token", BucketXetToken.as_view()),
    path(f"{_BUCKET}/xet-write-token", BucketXetToken.as_view(access="write")),
    path("buckets/<str:namespace>/<str:name>/resolve/<path:path>", BucketResolve.as_view()),
    re_path(r"^api/buckets/(?P<namespace>[^/]+)/(?P<name>[^/]+)/(?P<rest>.*)$", NoSuchBucketRoute.as_view()),
]
