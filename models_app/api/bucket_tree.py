"""What lies in a bucket, on the wire, and the batch that changes it (section 16)."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import Any

from django.http import JsonResponse
from rest_framework.request import Request

from accounts.actor import Level
from models_app.actions.bucket_files import (
    MAX_OPERATIONS,
    MAX_PATH_LENGTH,
    Operation,
    PutFile,
    RemoveFile,
    change_files,
)
from models_app.api.bucket_view import BucketAPIView, storable
from models_app.api.wire import (
    WireError,
    error_response,
    flag,
    json_object,
    next_link,
    query_int,
    read_ndjson,
    text_field,
    wire_time,
)
from models_app.buckets import Folder, files_of, list_level, resume_after
from models_app.models import BucketFile

PAGE_SIZE = 1000
MAX_PATHS = 1000
_BATCH_BYTES, _LINE_BYTES = 8 * 1024**2, 16 * 1024
_LATEST_MS = 253_402_300_799_999  # the last millisecond of the year 9999


class BucketTree(BucketAPIView):
    """GET /api/buckets/{id}/tree[/{prefix}]: all files, or with `recursive=false` one level, with folders."""

    def get(self, request: Request, prefix: str = "", **words: str) -> JsonResponse:
        bucket = self.bucket()
        limit = query_int(request, "limit", default=PAGE_SIZE, lowest=1, highest=PAGE_SIZE)
        after = request.GET.get("cursor", "")
        if "\0" in prefix or "\0" in after:  # no stored path holds one, and PostgreSQL refuses to compare
            return JsonResponse([], safe=False)
        entries: list[BucketFile | Folder]
        if flag(request.GET.get("recursive", "true")):
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
        known = [one for one in paths if len(one) <= MAX_PATH_LENGTH and storable(one)]
        rows = BucketFile.objects.filter(bucket=bucket, path__in=known).select_related("file")
        return JsonResponse([_entry_json(row) for row in rows.order_by("pk")], safe=False)


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


class BucketBatch(BucketAPIView):
    """POST /api/buckets/{id}/batch: one operation a line. 200 with `failed` where some could not be done, 422
    where none could."""

    def post(self, request: Request, **words: str) -> JsonResponse:
        bucket = self.bucket(Level.WRITE)
        operations: list[Operation] = []
        for line in read_ndjson(request, _BATCH_BYTES, _LINE_BYTES):
            if len(operations) == MAX_OPERATIONS:
                raise WireError(400, f"A batch has at most {MAX_OPERATIONS} operations; send them in parts.")
            operations.append(_operation(line))
        if not operations:
            raise WireError(400, "The batch holds no operation.")
        failures = change_files(self.actor, bucket=bucket, operations=operations)
        done = len(operations) - len(failures)
        body: dict[str, Any] = {
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
