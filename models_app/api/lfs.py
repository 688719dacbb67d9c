"""The Git LFS wire: batch, the objects it links to, verification (git-lfs docs/api, hf-wire 8 and 18)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.urls import URLPattern, path
from django.views import View

from accounts.actor import Actor
from models_app.actions import uploads
from models_app.api import lfs_locks, lfs_parts
from models_app.api.lfs_links import LINK_SECONDS, check_sender, link_to, mint, read_link
from models_app.api.lfs_view import MEDIA_TYPE, LfsView
from models_app.api.ranges import asked_span, outside
from models_app.api.repo_view import REPO_TYPES
from models_app.api.wire import (
    HubAPIView,
    WireError,
    json_object,
    public_url,
    upload_stream,
)
from models_app.api.xet import PROPOSE, UploadAPIView, connection_headers, mint_ticket
from models_app.files import large_file_of, stream_large_file
from models_app.models import Repo
from models_app.storage.lfs import Pointer

_MAX_OBJECTS = 1000
_BATCH_BYTES = 1024**2


class Batch(LfsView):
    """POST /{P}{id}.git/info/lfs/objects/batch: for each object a link, an error, or nothing to do."""

    def post(self, request: HttpRequest, **_: str) -> HttpResponseBase:
        asked = json_object(request, _BATCH_BYTES)
        operation = asked.get("operation")
        if operation not in ("upload", "download"):
            raise WireError(422, "'operation' must be 'upload' or 'download'.")
        # huggingface.js spells it with an underscore.
        if asked.get("hash_algo", "sha256") not in ("sha256", "sha_256"):
            raise WireError(409, "This hub names objects by SHA-256 only.")
        repo = self.repo(content=True)
        sender = check_sender(self.actor, repo, _ref(asked)) if operation == "upload" else None
        pointers = list(_pointers(asked.get("objects")))
        held = uploads.held_objects(repo, pointers, contributor=sender)
        if operation == "upload":
            uploads.renew_objects(repo, held)
        if operation == "upload" and _knows(asked, "xet"):
            return self._by_xet(repo, asked, pointers, held, sender)
        in_parts = operation == "upload" and _in_parts(asked, [one for one in pointers if one not in held])
        answers = [self._answer(repo, operation, one, one in held, in_parts) for one in pointers]
        body = {"transfer": "multipart" if in_parts else "basic", "objects": answers, "hash_algo": "sha256"}
        return JsonResponse(body, content_type=MEDIA_TYPE)

    def _by_xet(
        self,
        repo: Repo,
        asked: dict[str, Any],
        pointers: Sequence[Pointer],
        held: Collection[Pointer],
        sender: Actor | None,
    ) -> HttpResponseBase:
        """Clients before 1.20 and huggingface.js ask here whether they may send by Xet instead: they may."""
        ref = _ref(asked)
        revision = quote(ref or repo.default_branch, "")
        path = f"/api/{self.kwargs['kind']}/{repo.repo_id}/xet-write-token/{revision}"
        if sender is not None and not ref.startswith("refs/pr/"):
            path += "?create_pr=1"
        ticket = mint_ticket(self.actor, repo, "write" if sender is None else PROPOSE)
        upload = {"href": public_url(path), "header": connection_headers(ticket)}
        objects = []
        for pointer in pointers:
            answer = self._answer(repo, "upload", pointer, pointer in held, in_parts=False)
            objects.append({**answer, "actions": {"upload": upload}} if "actions" in answer else answer)
        body = {"transfer": "xet", "objects": objects, "hash_algo": "sha256"}
        return JsonResponse(body, content_type=MEDIA_TYPE)

    def _answer(
        self, repo: Repo, operation: str, pointer: Pointer, is_held: bool, in_parts: bool
    ) -> dict[str, Any]:
        answer: dict[str, Any] = {"oid": pointer.sha256, "size": pointer.size}
        try:
            uploads.check_pointer(pointer)
        except uploads.BadObject as error:
            return {**answer, "error": {"code": 422, "message": error.message}}
        if operation == "download" and not is_held:
            return {**answer, "error": {"code": 404, "message": "This repo has no such object."}}
        if operation == "upload" and is_held:
            return answer
        return {**answer, "authenticated": True, "actions": self._actions(repo, operation, pointer, in_parts)}

    def _actions(self, repo: Repo, operation: str, pointer: Pointer, in_parts: bool) -> dict[str, Any]:
        if operation == "download":
            return {"download": self._action(repo, "download", pointer)}
        upload = (
            lfs_parts.action(self.actor, repo, pointer) if in_parts else self._action(repo, "upload", pointer)
        )
        return {"upload": upload, "verify": self._action(repo, "verify", pointer, "/verify")}

    def _action(self, repo: Repo, purpose: str, pointer: Pointer, suffix: str = "") -> dict[str, Any]:
        ticket = mint(self.actor, repo, purpose, pointer)
        return {"href": link_to(pointer, suffix, ticket), "header": {}, "expires_in": LINK_SECONDS}


def _ref(asked: dict[str, Any]) -> str:
    ref = asked.get("ref")
    name = ref.get("name") if isinstance(ref, dict) else ""
    return name if isinstance(name, str) else ""


def _knows(asked: dict[str, Any], transfer: str) -> bool:
    """Whether the client lists this way of transfer."""
    transfers = asked.get("transfers")
    return isinstance(transfers, list) and transfer in transfers


def _in_parts(asked: dict[str, Any], wanted: Sequence[Pointer]) -> bool:
    """One transfer holds for a whole batch: parts where the client knows them and one object needs them."""
    return _knows(asked, "multipart") and any(
        pointer.size > settings.HUB_MULTIPART_BYTES for pointer in wanted
    )


def _pointers(objects: Any) -> Iterator[Pointer]:
    if not isinstance(objects, list) or len(objects) > _MAX_OBJECTS:
        raise WireError(422, f"'objects' must be a list of at most {_MAX_OBJECTS} objects.")
    for item in objects:
        oid, size = (item.get("oid"), item.get("size")) if isinstance(item, dict) else (None, None)
        if not isinstance(oid, str) or type(size) is not int:
            raise WireError(422, "Every object must have an 'oid' (text) and a 'size' (whole number).")
        yield Pointer(oid, size)


class Objects(UploadAPIView):
    """PUT and GET /lfs/objects/{oid}?ticket=…: the bytes of one object."""

    def put(self, request: HttpRequest, oid: str) -> HttpResponseBase:
        link = read_link(request, oid, "upload")
        announced = request.META.get("CONTENT_LENGTH") or str(link.pointer.size)
        if announced != str(link.pointer.size):
            raise WireError(
                400, f"The link is for {link.pointer.size} bytes; the upload announces {announced[:20]}."
            )
        uploads.store_lfs_object(
            link.actor, repo=link.repo, pointer=link.pointer, body=upload_stream(request)
        )
        return JsonResponse({})

    def get(self, request: HttpRequest, oid: str) -> HttpResponseBase:
        link = read_link(request, oid, "download")
        large = large_file_of(link.repo, link.pointer)
        if large is None:
            raise WireError(404, "This repo has no such object.")
        span = asked_span(request, link.pointer.size)
        if span.is_outside:
            return outside(link.pointer.size)
        pieces = stream_large_file(large, span.start, span.stop)
        headers = {"Content-Type": "application/octet-stream", **span.headers}
        return StreamingHttpResponse(pieces, status=span.status, headers=headers)


class Verify(HubAPIView):
    """POST /lfs/objects/{oid}/verify?ticket=… `{"oid", "size"}`: is the object really there, in this size?"""

    def post(self, request: HttpRequest, oid: str) -> HttpResponseBase:
        link = read_link(request, oid, "verify")
        said = json_object(request, _BATCH_BYTES)
        if (said.get("oid"), said.get("size")) != (link.pointer.sha256, link.pointer.size):
            raise WireError(422, "The link is for another object than the one to verify.")
        try:
            uploads.verify_lfs_object(link.actor, repo=link.repo, pointer=link.pointer)
        except uploads.MissingObject as error:
            raise WireError(404, error.message) from error
        return JsonResponse({})


def _below_repos() -> Iterator[URLPattern]:
    """The routes that git-lfs finds below a repo's address, for each kind of repo."""
    views: dict[str, type[View]] = {"objects/batch": Batch, **lfs_locks.VIEWS}
    for kind in REPO_TYPES:
        top = "" if kind == "models" else f"{kind}/"
        for tail, view in views.items():
            yield path(f"{top}<str:namespace>/<str:name>.git/info/lfs/{tail}", view.as_view(), {"kind": kind})


urlpatterns = [
    path("lfs/objects/<str:oid>", Objects.as_view()),
    path("lfs/objects/<str:oid>/verify", Verify.as_view()),
    *lfs_parts.urlpatterns,
    *_below_repos(),
]
