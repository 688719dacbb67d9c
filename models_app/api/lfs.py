"""The Git LFS wire: batch, and the links it hands out (git-lfs docs/api/batch.md, hf-wire sections 8 and 18).

Clients send no credentials to the links, so each is a signed ticket for one object, one repo and one purpose;
whoever it was minted for is asked again when it is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.core import signing
from django.http import HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.urls import path

from accounts.actor import Actor, Level
from models_app.access import LoginRequired, check_repo
from models_app.actions import uploads
from models_app.api.repo_view import RepoAPIView
from models_app.api.wire import HubAPIView, WireError, body_stream, error_response, json_object, public_url
from models_app.api.xet import UploadAPIView, living
from models_app.files import large_file_of, stream_large_file
from models_app.models import Repo
from models_app.storage.lfs import Pointer

# Long enough for the last of a batch of large objects; nothing renews a link.
LINK_SECONDS = 6 * 3600
_SALT = "tuneyard.lfs"
_MEDIA_TYPE = "application/vnd.git-lfs+json"
_MAX_OBJECTS = 1000
_BATCH_BYTES = 1024**2
_LEVELS = {"download": Level.READ, "upload": Level.WRITE, "verify": Level.WRITE}
_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{0,18})")


class Batch(RepoAPIView):
    """POST /{P}{id}.git/info/lfs/objects/batch: for each object a link, an error, or nothing to do."""

    def post(self, request: HttpRequest, **_: str) -> HttpResponseBase:
        asked = json_object(request, _BATCH_BYTES)
        operation = asked.get("operation")
        if operation not in ("upload", "download"):
            raise WireError(422, "'operation' must be 'upload' or 'download'.")
        if asked.get("hash_algo", "sha256") != "sha256":
            raise WireError(409, "This hub names objects by SHA-256 only.")
        repo = self.repo(_LEVELS[operation], content=True)
        pointers = list(_pointers(asked.get("objects")))
        held = uploads.held_objects(repo, pointers)
        answers = [_answer(self.actor, repo, operation, pointer, pointer in held) for pointer in pointers]
        body = {"transfer": "basic", "objects": answers, "hash_algo": "sha256"}
        return JsonResponse(body, content_type=_MEDIA_TYPE)

    def handle_exception(self, exc: Exception) -> HttpResponseBase:  # type: ignore[override]
        """As everywhere, with git-lfs's own media type, its `message` field and its way to ask who it is."""
        response = super().handle_exception(exc)
        if response.status_code == 401:
            response["LFS-Authenticate"] = 'Basic realm="Access tokens", charset="UTF-8"'
        if isinstance(response, JsonResponse):
            message = response.get("X-Error-Message", "")
            response.content = JsonResponse({"error": message, "message": message}).content
            response["Content-Type"] = _MEDIA_TYPE
        return response


def _pointers(objects: Any) -> Iterator[Pointer]:
    if not isinstance(objects, list) or len(objects) > _MAX_OBJECTS:
        raise WireError(422, f"'objects' must be a list of at most {_MAX_OBJECTS} objects.")
    for item in objects:
        oid, size = (item.get("oid"), item.get("size")) if isinstance(item, dict) else (None, None)
        if not isinstance(oid, str) or type(size) is not int:
            raise WireError(422, "Every object must have an 'oid' (text) and a 'size' (whole number).")
        yield Pointer(oid, size)


def _answer(actor: Actor, repo: Repo, operation: str, pointer: Pointer, is_held: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {"oid": pointer.sha256, "size": pointer.size}
    try:
        uploads.check_pointer(pointer)
    except uploads.BadObject as error:
        return {**answer, "error": {"code": 422, "message": error.message}}
    if operation == "download" and not is_held:
        return {**answer, "error": {"code": 404, "message": "This repo has no such object."}}
    if operation == "upload" and is_held:
        return answer
    purposes = ["download"] if operation == "download" else ["upload", "verify"]
    actions = {purpose: _action(actor, repo, purpose, pointer) for purpose in purposes}
    return {**answer, "authenticated": True, "actions": actions}


def _action(actor: Actor, repo: Repo, purpose: str, pointer: Pointer) -> dict[str, Any]:
    ticket = signing.dumps(
        {
            "u": actor.user.pk if actor.user else None,
            "t": actor.token.pk if actor.token else None,
            "r": repo.pk,
            "p": purpose,
            "o": pointer.sha256,
            "s": pointer.size,
        },
        salt=_SALT,
    )
    suffix = "/verify" if purpose == "verify" else ""
    href = public_url(f"/lfs/objects/{pointer.sha256}{suffix}?ticket={ticket}")
    return {"href": href, "header": {}, "expires_in": LINK_SECONDS}


def _read_link(request: HttpRequest, oid: str, purpose: str) -> tuple[Actor, Repo, Pointer]:
    """Whom, where and what the link is for; WireError 403 when it is bad, old or meant for something else."""
    try:
        data = signing.loads(request.GET.get("ticket", ""), salt=_SALT, max_age=LINK_SECONDS)
    except signing.BadSignature as error:
        raise WireError(403, "The link has expired or is not from this hub; ask for a new one.") from error
    if (data["p"], data["o"]) != (purpose, oid):
        raise WireError(403, f"The link is for another object or purpose than this {purpose}.")
    actor, repo = living(data["u"], data["t"], data["r"])
    return actor, check_repo(actor, repo, _LEVELS[purpose]), Pointer(data["o"], data["s"])


class Objects(UploadAPIView):
    """PUT and GET /lfs/objects/{oid}?ticket=…: the bytes of one object."""

    def put(self, request: HttpRequest, oid: str) -> HttpResponseBase:
        actor, repo, pointer = _read_link(request, oid, "upload")
        announced = request.META.get("CONTENT_LENGTH") or str(pointer.size)
        if announced != str(pointer.size):
            raise WireError(
                400, f"The link is for {pointer.size} bytes; the upload announces {announced[:20]}."
            )
        if actor.is_anonymous:
            raise LoginRequired("Uploading needs a signed-in user.")
        uploads.store_lfs_object(actor, repo=repo, pointer=pointer, body=body_stream(request))
        return JsonResponse({})

    def get(self, request: HttpRequest, oid: str) -> HttpResponseBase:
        _actor, repo, pointer = _read_link(request, oid, "download")
        large = large_file_of(repo, pointer)
        if large is None:
            raise WireError(404, "This repo has no such object.")
        start, stop, is_part = _asked_range(request, pointer.size)
        if start >= stop and is_part:
            headers = {"Content-Range": f"bytes */{pointer.size}"}
            return error_response(416, f"The object has {pointer.size} bytes.", headers=headers)
        response = StreamingHttpResponse(
            stream_large_file(large, start, stop), content_type="application/octet-stream"
        )
        response["Content-Length"] = str(stop - start)
        response["Accept-Ranges"] = "bytes"
        if is_part:
            response.status_code = 206
            response["Content-Range"] = f"bytes {start}-{stop - 1}/{pointer.size}"
        return response


class Verify(HubAPIView):
    """POST /lfs/objects/{oid}/verify?ticket=… `{"oid", "size"}`: is the object really there, in this size?"""

    def post(self, request: HttpRequest, oid: str) -> HttpResponseBase:
        actor, repo, pointer = _read_link(request, oid, "verify")
        said = json_object(request, _BATCH_BYTES)
        if (said.get("oid"), said.get("size")) != (pointer.sha256, pointer.size):
            raise WireError(422, "The link is for another object than the one to verify.")
        try:
            uploads.verify_lfs_object(actor, repo=repo, pointer=pointer)
        except uploads.MissingObject as error:
            raise WireError(404, error.message) from error
        return JsonResponse({})


def _asked_range(request: HttpRequest, size: int) -> tuple[int, int, bool]:
    """Start, end (exclusive), and whether a part was asked for; git-lfs resumes with `bytes=N-`."""
    found = _RANGE.fullmatch(request.headers.get("Range", ""))
    if found is None:
        return 0, size, False
    return int(found[1]), min(int(found[2]) + 1, size) if found[2] else size, True


class Locks(RepoAPIView):
    """POST …/info/lfs/locks/verify: this hub keeps no locks, so nobody holds one."""

    def post(self, request: HttpRequest, **_: str) -> HttpResponseBase:
        self.repo(Level.WRITE)
        return JsonResponse({"ours": [], "theirs": []}, content_type=_MEDIA_TYPE)


_REPO = "<str:namespace>/<str:name>.git/info/lfs"
urlpatterns = [
    path("lfs/objects/<str:oid>", Objects.as_view()),
    path("lfs/objects/<str:oid>/verify", Verify.as_view()),
    path(f"datasets/{_REPO}/objects/batch", Batch.as_view(), {"kind": "datasets"}),
    path(f"datasets/{_REPO}/locks/verify", Locks.as_view(), {"kind": "datasets"}),
    path(f"{_REPO}/objects/batch", Batch.as_view(), {"kind": "models"}),
    path(f"{_REPO}/locks/verify", Locks.as_view(), {"kind": "models"}),
]
