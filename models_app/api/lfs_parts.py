"""Objects in parts, the stock client's `multipart` transfer (hf-wire section 8): links, completion."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.urls import path

from accounts.actor import Actor
from models_app.actions import multipart
from models_app.api.lfs_links import PARTS_SECONDS, link_to, mint, read_link
from models_app.api.wire import HubAPIView, WireError, json_object, upload_stream
from models_app.api.xet import UploadAPIView
from models_app.models import Repo
from models_app.storage.lfs import Pointer

# Ten thousand parts with their ETags.
_COMPLETION_BYTES = 2 * 1024**2


def action(actor: Actor, repo: Repo, pointer: Pointer) -> dict[str, Any]:
    """The upload action of an object to be sent in parts.

    git-lfs hands the header on to its transfer agent with texts for values and sorted by name: numbers are
    texts, and part numbers have leading zeros.
    """
    size = multipart.part_bytes(pointer.size)
    header = {"chunk_size": str(size)}
    for number in range(1, multipart.part_count(pointer.size, size) + 1):
        ticket = mint(actor, repo, "part", pointer, n=number, c=size)
        header[f"{number:05d}"] = link_to(pointer, f"/parts/{number}", ticket)
    href = link_to(pointer, "/complete", mint(actor, repo, "complete", pointer, c=size))
    return {"href": href, "header": header, "expires_in": PARTS_SECONDS}


class Part(UploadAPIView):
    """PUT /lfs/objects/{oid}/parts/{number}?ticket=…: one part, answered with its ETag."""

    def put(self, request: HttpRequest, oid: str, number: int) -> HttpResponseBase:
        link = read_link(request, oid, "part", seconds=PARTS_SECONDS)
        if link.more["n"] != number:
            raise WireError(403, f"The link is for another part than {number}.")
        part_size = link.more["c"]
        expected = min(part_size, link.pointer.size - (number - 1) * part_size)
        announced = request.META.get("CONTENT_LENGTH") or str(expected)
        if announced != str(expected):
            raise WireError(400, f"The link is for {expected} bytes; the upload announces {announced[:20]}.")
        etag = multipart.store_part(
            link.actor,
            repo=link.repo,
            pointer=link.pointer,
            number=number,
            part_size=part_size,
            body=upload_stream(request),
        )
        response = JsonResponse({})
        response["ETag"] = f'"{etag}"'
        return response


class Complete(HubAPIView):
    """POST /lfs/objects/{oid}/complete?ticket=… `{"oid", "parts": [{"partNumber", "etag"}]}`."""

    def post(self, request: HttpRequest, oid: str) -> HttpResponseBase:
        link = read_link(request, oid, "complete", seconds=PARTS_SECONDS)
        said = json_object(request, _COMPLETION_BYTES)
        if said.get("oid") != oid:
            raise WireError(422, "The link is for another object than the one to complete.")
        multipart.complete_parts(
            link.actor,
            repo=link.repo,
            pointer=link.pointer,
            part_size=link.more["c"],
            parts=_parts(said.get("parts")),
        )
        return JsonResponse({})


def _parts(rows: Any) -> list[tuple[int, str]]:
    if not isinstance(rows, list) or len(rows) > multipart.MAX_PARTS:
        raise WireError(422, f"'parts' must be a list of at most {multipart.MAX_PARTS} parts.")
    found = []
    for row in rows:
        number, etag = (row.get("partNumber"), row.get("etag")) if isinstance(row, dict) else (None, None)
        if type(number) is not int or not isinstance(etag, str):
            raise WireError(422, "Every part must have a 'partNumber' (whole number) and an 'etag' (text).")
        found.append((number, etag))
    return found


urlpatterns = [
    path("lfs/objects/<str:oid>/parts/<int:number>", Part.as_view()),
    path("lfs/objects/<str:oid>/complete", Complete.as_view()),
]
