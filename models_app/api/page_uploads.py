"""POST …/upload-parts/{revision}: where a browser sends a large file in parts, and which it has sent before.

The parts and their completion are those of git-lfs's `multipart` transfer (`lfs_parts`); browsers get shorter
parts, so that little is lost with a connection.
"""

from __future__ import annotations

from typing import Any

from django.http import JsonResponse
from rest_framework.request import Request

from models_app.actions import multipart, uploads
from models_app.api.lfs_links import PARTS_SECONDS, check_sender, mint
from models_app.api.repo_view import RepoAPIView
from models_app.api.wire import WireError, flag, json_object
from models_app.storage.lfs import Pointer

PART_BYTES = 8 * 1024**2
# As many links as are minted for one answer.
MAX_PARTS = 4000


class UploadParts(RepoAPIView):
    """`{"oid", "size"}` of the content to a link for each part, with the ETags of those that are here."""

    def post(self, request: Request, revision: str, **words: str) -> JsonResponse:
        repo = self.repo(content=True)
        creates = flag(request.GET.get("create_pr"))
        sender = check_sender(self.actor, repo, "" if creates else revision)
        pointer = _pointer(json_object(request))
        held = uploads.held_objects(repo, [pointer], contributor=sender)
        if held:
            uploads.renew_objects(repo, held)
            return JsonResponse({"held": True})
        size = max(PART_BYTES, -(-pointer.size // MAX_PARTS))
        known = multipart.held_parts(self.actor, repo=repo, pointer=pointer, part_size=size)
        parts = []
        for number in range(1, multipart.part_count(pointer.size, size) + 1):
            ticket = mint(self.actor, repo, "part", pointer, n=number, c=size)
            href = _link(pointer, f"/parts/{number}", ticket)
            parts.append({"number": number, "href": href, "etags": known.get(number, [])})
        complete = _link(pointer, "/complete", mint(self.actor, repo, "complete", pointer, c=size))
        answer = {"held": False, "part_size": size, "parts": parts, "complete": complete}
        return JsonResponse(answer | {"expires_in": PARTS_SECONDS})


def _link(pointer: Pointer, suffix: str, ticket: str) -> str:
    """A path on this hub, under whatever name the browser knows it."""
    return f"/lfs/objects/{pointer.sha256}{suffix}?ticket={ticket}"


def _pointer(body: dict[str, Any]) -> Pointer:
    oid, size = body.get("oid"), body.get("size")
    if not isinstance(oid, str) or type(size) is not int:
        raise WireError(400, "The content must be named by its 'oid' (text) and 'size' (whole number).")
    pointer = Pointer(oid, size)
    try:
        uploads.check_pointer(pointer)
    except uploads.BadObject as refusal:
        raise WireError(422, refusal.message) from refusal
    return pointer
