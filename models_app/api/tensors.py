"""GET …/safetensors-metadata/{index}: all headers of a sharded model in one answer (hf-wire section 9)."""

from __future__ import annotations

import io
import json
import posixpath
from typing import Any, BinaryIO

from django.http import JsonResponse
from django.urls import path
from rest_framework.request import Request

from models_app.api.repo_view import RepoAPIView
from models_app.api.wire import WireError
from models_app.content.safetensors import MAX_SHARDS, BadSafetensors, read_header
from models_app.files import git_store, large_file_of, open_large_file, read_file
from models_app.models import Repo
from models_app.storage.errors import EntryNotFound
from models_app.storage.gitstore import Entry, GitStore

MAX_INDEX_BYTES = 16 * 1024**2
MAX_HEADERS_BYTES = 64 * 1024**2


class SafetensorsMetadata(RepoAPIView):
    """`index` without its weight map, which the headers repeat, and `headers` by shard, of the default
    branch.

    400 where the index is none, names a shard that is none, or all headers together are over 64 MiB.
    """

    def get(self, request: Request, index: str, **words: str) -> JsonResponse:
        repo = self.repo(content=True)
        store = git_store(repo)
        oid = store.resolve(repo.default_branch)
        told, shards = _read_index(read_file(repo, oid, index, MAX_INDEX_BYTES), index)
        headers: dict[str, Any] = {}
        left = MAX_HEADERS_BYTES
        for shard in shards:
            place = posixpath.join(posixpath.dirname(index), shard)
            headers[shard], length = _header(repo, store, oid, place, left)
            left -= length
        return JsonResponse({"index": told, "headers": headers}, headers={"X-Repo-Commit": oid})


def _read_index(text: bytes, path: str) -> tuple[dict[str, Any], list[str]]:
    """The index without its weight map, and the shards that this names."""
    refusal = WireError(400, f"{path[:200]!r} is no index of safetensors shards.")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise refusal from None
    names = found.get("weight_map") if isinstance(found, dict) else None
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise refusal
    shards = sorted(set(names.values()))
    if len(shards) > MAX_SHARDS:
        raise WireError(400, f"{path[:200]!r} names {len(shards)} shards; at most {MAX_SHARDS} are read.")
    return {key: value for key, value in found.items() if key != "weight_map"}, shards


def _header(repo: Repo, store: GitStore, oid: str, path: str, limit: int) -> tuple[dict[str, Any], int]:
    entry = store.entry(oid, path)
    if entry is None or not entry.is_file:
        raise EntryNotFound(f"{path} does not exist on {oid}", oid)
    with _open(repo, store, oid, entry) as file:
        try:
            return read_header(file, entry.size, limit)
        except BadSafetensors as error:
            raise WireError(400, f"{path[:200]!r} cannot be read. {error}") from error


def _open(repo: Repo, store: GitStore, oid: str, entry: Entry) -> BinaryIO:
    if entry.pointer is None:
        return io.BytesIO(store.blob(entry.oid))
    large_file = large_file_of(repo, entry.pointer)
    if large_file is None:
        raise EntryNotFound(f"the content of {entry.path} is not stored here", oid)
    return open_large_file(large_file)


urlpatterns = [
    path(
        "api/models/<str:namespace>/<str:name>/safetensors-metadata/<path:index>",
        SafetensorsMetadata.as_view(),
        {"kind": "models"},
    ),
]
