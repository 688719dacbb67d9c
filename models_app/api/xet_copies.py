"""Large files of one repo for another (hf-wire section 7): what clients call before a commit that copies."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import path

from accounts.actor import Level
from models_app.access import access_repo
from models_app.actions.copies import MAX_COPIES, WantedFile, copy_large_files
from models_app.api.repo_view import REPO_TYPES, RepoAPIView
from models_app.api.wire import WireError, json_object, text_field

_HASH_CHARACTERS = 64


class DuplicateLargeFiles(RepoAPIView):
    """POST /api/{T}/{id}/lfs-files/duplicate on the source `{"target": {"type", "name"}, "files":
    [{"xetHash", "sha256", "filename"}]}`, at most 500 files → `{"failed": [{"sha256", "error"}]}`."""

    def post(self, request: HttpRequest, **_: str) -> JsonResponse:
        source = self.repo(Level.READ, content=True)
        asked = json_object(request)
        target_type, target_id = _target(asked.get("target"))
        target = access_repo(self.actor, target_type, target_id, Level.WRITE)
        files = _files(asked.get("files"))
        missing = copy_large_files(self.actor, source=source, target=target, files=files)
        return JsonResponse({"failed": [_failure(file, source.repo_id) for file in missing]})


def _target(value: Any) -> tuple[str, str]:
    if not isinstance(value, dict):
        raise WireError(400, "'target' must be an object with 'type' and 'name'.")
    target_type = text_field(value, "type", default="model")
    if target_type not in REPO_TYPES.values():
        raise WireError(
            400, f"'type' of the target must be one of {', '.join(sorted(set(REPO_TYPES.values())))}."
        )
    return target_type, text_field(value, "name")


def _files(value: Any) -> list[WantedFile]:
    if (
        not isinstance(value, list)
        or len(value) > MAX_COPIES
        or not all(isinstance(one, dict) for one in value)
    ):
        raise WireError(400, f"'files' must be a list of at most {MAX_COPIES} objects.")
    return [
        WantedFile(
            text_field(one, "sha256", limit=_HASH_CHARACTERS),
            text_field(one, "xetHash", limit=_HASH_CHARACTERS),
        )
        for one in value
    ]


def _failure(file: WantedFile, repo_id: str) -> dict[str, str]:
    return {
        "sha256": file.sha256,
        "error": f"{repo_id} has no large file with this SHA-256 and this Xet hash.",
    }


urlpatterns = [
    path(
        "api/<str:kind>/<str:namespace>/<str:name>/lfs-files/duplicate",
        DuplicateLargeFiles.as_view(),
    ),
]
