"""The Xet wire, going up: the CAS that takes xorbs and shards (hf-wire 19.3)."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.urls import path, re_path

from accounts.actor import Actor
from models_app.actions.xet import register_bucket_shard, register_shard, store_xorb
from models_app.api.wire import HubAPIView, WireError, error_response, refusal_response, upload_stream
from models_app.api.xet import CAS, UploadAPIView, read_ticket
from models_app.large_files import Place
from models_app.models import Bucket
from models_app.storage.streams import Body, read_pieces
from models_app.storage.xet.shard import MAX_SHARD_BYTES, ShardError

logger = logging.getLogger(__name__)


class Xorbs(UploadAPIView):
    """POST /cas/{gen}/v1/xorbs/{prefix}/{hash}: one xorb as the raw body."""

    def post(self, request: HttpRequest, generation: int, prefix: str, name: str) -> HttpResponse:
        actor, place = read_ticket(request, "write")
        inserted = store_xorb(
            actor, hash_hex=name, body=upload_stream(request), length=_content_length(request), place=place
        )
        return JsonResponse({"was_inserted": inserted})


class Shards(UploadAPIView):
    """POST /cas/{gen}/v1/shards: the files that uploaded xorbs make up, for the ticket's repo or bucket."""

    def post(self, request: HttpRequest, generation: int) -> HttpResponse:
        actor, place = read_ticket(request, "write")
        count = _register(actor, place, upload_stream(request), _content_length(request))
        return JsonResponse({"result": 1 if count else 0})


class ShardsWithProgress(UploadAPIView):
    """POST /cas/{gen}/v2/shards: the same, answered in lines of JSON of which the last is `result` or
    `error`.

    The status is 200 before the work begins, and clients show the words of an `error` line to their user,
    where of another status they show the number only.
    """

    def post(self, request: HttpRequest, generation: int) -> HttpResponseBase:
        actor, place = read_ticket(request, "write")
        length = _content_length(request)
        if length > MAX_SHARD_BYTES:
            raise ShardError(f"A shard has at most {MAX_SHARD_BYTES} bytes; this one announces {length}.")
        # Whole before the answer begins: a client that is still sending does not expect one.
        shard = b"".join(read_pieces(upload_stream(request), length))
        lines = _shard_lines(actor, place, shard)
        return StreamingHttpResponse(lines, content_type="application/x-ndjson")


def _shard_lines(actor: Actor, place: Place, shard: bytes) -> Iterator[bytes]:
    yield _line(type="validating", verified=0, total=1)
    try:
        _register(actor, place, io.BytesIO(shard), len(shard))
    except Exception as error:  # what would be a status elsewhere is a line here
        refusal = refusal_response(error, actor)
        if refusal is None:
            logger.exception("unhandled error while a shard was taken")
        told = json.loads(refusal.content)["error"] if refusal else "Something went wrong on the hub's side."
        yield _line(type="error", message=told, retryable=isinstance(error, OperationalError))
    else:
        yield _line(type="result")


def _line(**fields: object) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def _register(actor: Actor, place: Place, body: Body, length: int) -> int:
    if isinstance(place, Bucket):
        return register_bucket_shard(actor, bucket=place, body=body, length=length)
    return register_shard(actor, repo=place, body=body, length=length)


def _content_length(request: HttpRequest) -> int:
    text = request.META.get("CONTENT_LENGTH") or ""
    if not text.isdigit():
        raise WireError(411, "The upload must announce its Content-Length.")
    return int(text)


class NotHere(HubAPIView):
    """CAS routes that clients ask first and do without: xorb grants, and what is newer than this hub."""

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        return error_response(404, "This CAS does not offer that route.")

    post = head = put = get


class Telemetry(HubAPIView):
    """The client reports its timings; nobody keeps them."""

    def post(self, request: HttpRequest, **_: Any) -> HttpResponse:
        return JsonResponse({})


urlpatterns = [
    path(f"{CAS}/v1/xorbs/<str:prefix>/<str:name>", Xorbs.as_view()),
    path(f"{CAS}/v1/shards", Shards.as_view()),
    path(f"{CAS}/v2/shards", ShardsWithProgress.as_view()),
    path(f"{CAS}/v1/telemetry", Telemetry.as_view()),
    path("v1/telemetry", Telemetry.as_view()),
    # After every other CAS route, so also after those of `xet_download`.
    re_path(r"^cas/(?P<rest>.*)$", NotHere.as_view()),
]
