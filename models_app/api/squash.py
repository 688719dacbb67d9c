"""History made anew, and the large files of a repo (hf-wire section 7)."""

from __future__ import annotations

from typing import Any

from django.http import JsonResponse
from django.urls import path
from rest_framework.request import Request

from accounts.actor import Level
from models_app.actions.history import MAX_DELETIONS, delete_large_files, squash_history
from models_app.api.repo_view import RepoAPIView
from models_app.api.wire import (
    WireError,
    flag_field,
    json_object,
    next_link,
    query_int,
    text_field,
    wire_time,
)
from models_app.files import git_store
from models_app.models import RepoFile
from models_app.storage.gitlfs import Sighting, all_refs, sightings
from models_app.storage.lfs import is_lfs_oid

MAX_PAGE = 1000


class SuperSquash(RepoAPIView):
    """POST …/super-squash/{ref}: one commit remains on that branch or pull request."""

    def post(self, request: Request, ref: str, **words: str) -> JsonResponse:
        repo = self.repo(Level.WRITE)
        default = f"Super-squash branch '{ref[:200]}'"
        message = text_field(json_object(request), "message", limit=10_000, default="") or default
        return JsonResponse({"commitId": squash_history(self.actor, repo=repo, ref=ref, message=message)})


class LfsFiles(RepoAPIView):
    """GET …/lfs-files: every large file of the repo once, newest first, pages by `Link`.

    `ref` is the reference it came in by as far as history tells, the default branch before all others; a file
    that was uploaded but never committed has none, and goes by its hash.
    """

    def get(self, request: Request, **words: str) -> JsonResponse:
        repo = self.repo(Level.WRITE)
        limit = query_int(request, "limit", default=MAX_PAGE, lowest=1, highest=MAX_PAGE)
        before = query_int(request, "cursor", default=0, highest=2**60)
        rows = RepoFile.objects.filter(repo=repo).select_related("file").order_by("-pk")
        page = list((rows.filter(pk__lt=before) if before else rows)[: limit + 1])
        store = git_store(repo)
        seen = sightings(store, all_refs(store, repo.default_branch)) if page else {}
        headers = {"Link": next_link(request, cursor=page[limit - 1].pk)} if len(page) > limit else {}
        found = [_file_json(row, seen.get(row.file.sha256)) for row in page[:limit]]
        return JsonResponse(found, safe=False, headers=headers)


def _file_json(row: RepoFile, seen: Sighting | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "fileOid": row.file.sha256,
        "oid": row.file.sha256,
        "filename": seen.path if seen else row.file.sha256,
        "size": row.file.size,
        "pushedAt": wire_time(row.first_seen_at),
        "xetHash": row.file.xet_hash,
    }
    return found | ({"ref": seen.ref, "pusher": {"name": seen.author}} if seen else {})


class LfsFilesBatch(RepoAPIView):
    """POST …/lfs-files/batch `{"deletions": {"sha": […], "rewriteHistory": true}}`: gone for good."""

    def post(self, request: Request, **words: str) -> JsonResponse:
        repo = self.repo(Level.WRITE)
        deletions = json_object(request).get("deletions")
        if not isinstance(deletions, dict):
            raise WireError(400, "'deletions' must be an object with 'sha', a list of file ids.")
        names = deletions.get("sha")
        if not isinstance(names, list) or not all(isinstance(n, str) and is_lfs_oid(n) for n in names):
            raise WireError(400, "'sha' must be a list of sha256 ids of 64 hexadecimal digits.")
        if len(names) > MAX_DELETIONS:
            raise WireError(400, f"At most {MAX_DELETIONS} files can be deleted at once.")
        rewrite = flag_field(deletions, "rewriteHistory") is not False
        count = delete_large_files(self.actor, repo=repo, sha256s=names, rewrite_history=rewrite)
        return JsonResponse({"success": True, "deleted": count})


_REPO = "api/<str:kind>/<str:namespace>/<str:name>"
urlpatterns = [
    path(f"{_REPO}/super-squash/<str:ref>", SuperSquash.as_view()),
    path(f"{_REPO}/lfs-files", LfsFiles.as_view()),
    path(f"{_REPO}/lfs-files/batch", LfsFilesBatch.as_view()),
]
