"""What every endpoint of the wire shares: refusals as status and headers, bodies within bounds, paging,
times.

Clauses: `hf-wire` sections 0 and 1. Errors are JSON objects, carry `X-Error-Code` where a client maps one,
and are
never 5xx for a mistake of the caller.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import IO, Any
from urllib.parse import urlencode

from django.conf import settings
from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.http.request import UnreadablePostError
from rest_framework.exceptions import APIException
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.actor import Actor
from models_app import access
from models_app.actions.refusals import CredentialEnded, InvalidInput, NotUploaded, RepoExists
from models_app.rawpath import raw_path, raw_segments
from models_app.storage import errors as storage

__all__ = ["HubAPIView", "WireError", "error_response", "raw_path", "raw_segments"]

logger = logging.getLogger(__name__)
JSON_LIMIT_BYTES = 8 * 1024**2


class WireError(Exception):
    """A refusal that only the wire knows: a status, one sentence, and the client's code for it if there is
    one."""

    def __init__(self, status: int, message: str, code: str | None = None, **body: Any) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.body = status, message, code, body


def error_response(
    status: int, message: str, code: str | None = None, headers: Mapping[str, str] | None = None, **body: Any
) -> JsonResponse:
    """`{"error": message}` with `X-Error-Message` and, where given, `X-Error-Code`; `body` adds JSON
    fields."""
    response = JsonResponse({"error": message, **body}, status=status, headers=dict(headers or {}))
    line = " ".join(message.split())[:500]
    response["X-Error-Message"] = line.encode("ascii", "backslashreplace").decode()
    if code:
        response["X-Error-Code"] = code
    return response


_STORAGE_STATUS: dict[type[storage.StorageError], tuple[int, str | None]] = {
    storage.RevisionNotFound: (404, "RevisionNotFound"),
    storage.EntryNotFound: (404, "EntryNotFound"),
    storage.StaleParent: (412, None),
    storage.RefExists: (409, None),
    storage.BadPath: (422, None),
    storage.PathConflict: (422, None),
    storage.BadRefName: (422, None),
    storage.FileTooLarge: (413, None),
}


def refusal_response(error: Exception, actor: Actor) -> JsonResponse | None:
    """The wire's answer to a known refusal; None for anything unknown (a fault of ours)."""
    if isinstance(error, access.Refusal):
        return _access_response(error, actor)
    if isinstance(error, WireError):
        return error_response(error.status, error.message, error.code, **error.body)
    if isinstance(error, storage.StorageError):
        status, code = _STORAGE_STATUS.get(type(error), (400, None))
        commit = getattr(error, "commit", "")
        return error_response(status, error.message, code, {"X-Repo-Commit": commit} if commit else None)
    if isinstance(error, RequestDataTooBig):
        return error_response(413, "The request body is too large.")
    if isinstance(error, UnreadablePostError | BadRequest | SuspiciousOperation):
        return error_response(400, "The request body could not be read to its end.")
    if storage.is_disk_full(error):
        return error_response(507, "The hub's disk is full: nothing was stored. Please tell its operator.")
    return None


def _access_response(error: access.Refusal, actor: Actor) -> JsonResponse:
    # Who is not signed in is told to sign in (401); the client's exception depends on the code alone.
    denied = 401 if actor.is_anonymous else 403
    match error:
        case access.RepoNotFound():
            return error_response(401 if actor.is_anonymous else 404, error.message, "RepoNotFound")
        case access.RepoGated():
            return error_response(denied, error.message, "GatedRepo")
        case access.LoginRequired() | CredentialEnded():
            return error_response(401, error.message)
        case InvalidInput() | NotUploaded():
            return error_response(400, error.message)
        case RepoExists():
            return error_response(409, error.message)
        case _:
            return error_response(403, error.message)


class _FirstRenderer(BaseContentNegotiation):
    """Clients send `Accept` of git-lfs or plain text to endpoints that answer JSON all the same."""

    def select_parser(self, request: Request, parsers: Sequence[Any]) -> Any:
        return parsers[0]

    def select_renderer(
        self, request: Request, renderers: Sequence[Any], format_suffix: str | None = None
    ) -> Any:
        return renderers[0], renderers[0].media_type


class HubAPIView(APIView):
    """Base of every endpoint: `self.actor` is who asks, refusals become the wire's statuses and headers."""

    content_negotiation_class = _FirstRenderer

    @property
    def actor(self) -> Actor:
        actor: Actor = self.request.actor  # type: ignore[attr-defined]
        return actor

    def perform_authentication(self, request: Request) -> None:
        """Nothing: the middleware has done it, and DRF would overwrite the session's user."""

    def handle_exception(self, exc: Exception) -> HttpResponseBase:
        """Map refusals to the wire; log what is our fault and say so without details."""
        if response := refusal_response(exc, self.actor):
            return response
        if isinstance(exc, Http404):
            return error_response(404, "Sorry, we can't find what you are looking for.")
        if isinstance(exc, APIException):
            return error_response(exc.status_code, str(exc.detail))
        logger.exception("unhandled error on the wire", exc_info=exc)
        return error_response(
            500, "Something went wrong on the hub's side; the operator can see what in its log."
        )


# --- bodies


def body_stream(request: HttpRequest) -> IO[bytes]:
    """The body as it arrives, of announced length or chunked (`git` sends large requests chunked)."""
    raw: HttpRequest = getattr(request, "_request", request)
    chunked = "chunked" in raw.META.get("HTTP_TRANSFER_ENCODING", "").lower()
    if chunked and raw.META.get("wsgi.input_terminated"):
        return _ChunkedBody(raw.META["wsgi.input"])  # type: ignore[return-value]
    return raw  # type: ignore[return-value]


class _ChunkedBody:
    """A body of unannounced length; one that breaks off before its last chunk is the client's fault, not
    ours."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        return self._ask(self._stream.read, size)

    def readline(self, size: int = -1) -> bytes:
        return self._ask(self._stream.readline, size)

    def _ask(self, reader: Callable[[int], bytes], size: int) -> bytes:
        try:
            return reader(size)
        except OSError as error:
            raise WireError(400, "The request body broke off before its end.") from error


def read_limited(request: HttpRequest, limit: int) -> bytes:
    """The whole body, or WireError 413 when it is longer than `limit` bytes."""
    data = body_stream(request).read(limit + 1)
    if len(data) > limit:
        raise WireError(413, f"The request body is larger than {limit} bytes.")
    return data


def json_object(request: HttpRequest, limit: int = JSON_LIMIT_BYTES) -> dict[str, Any]:
    """The body as a JSON object (an empty body is an empty object), or WireError 400 / 413."""
    data = read_limited(request, limit)
    if not data.strip():
        return {}
    value = _loads(data)
    if not isinstance(value, dict):
        raise WireError(400, "The request body must be a JSON object.")
    return value


def read_ndjson(request: HttpRequest, length_limit: int, line_limit: int) -> Iterator[dict[str, Any]]:
    """Objects of a newline-delimited JSON body, one line in memory at a time.

    Raises WireError 413 past `length_limit` bytes in all or `line_limit` in one line, 400 for a line that
    is no
    JSON object and for a body shorter than announced: a client that hung up must not commit half of its
    files.
    """
    stream, total = body_stream(request), 0
    announced = request.META.get("CONTENT_LENGTH") or ""
    if announced.isdigit() and int(announced) > length_limit:
        raise WireError(413, f"The request body is over {length_limit} bytes; commit in several parts.")
    while line := stream.readline(line_limit + 1):
        total += len(line)
        if len(line) > line_limit:
            raise WireError(413, f"A line of the body is over {line_limit} bytes; upload it as a large file.")
        if total > length_limit:
            raise WireError(413, f"The request body is over {length_limit} bytes; commit in several parts.")
        if not line.strip():
            continue
        value = _loads(line)
        if not isinstance(value, dict):
            raise WireError(400, "Every line of the body must be a JSON object.")
        yield value
    if announced.isdigit() and int(announced) != total:
        raise WireError(400, f"The request body ended after {total} of {announced} bytes.")


def _loads(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise WireError(400, "The request body is not valid JSON.") from error


def text_field(data: Mapping[str, Any], name: str, *, limit: int = 1000, default: str | None = None) -> str:
    """A string field of a body; WireError 400 where it is missing (without default), no string, or too
    long."""
    value = data.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise WireError(400, f"{name!r} must be a string.")
    if len(value) > limit:
        raise WireError(400, f"{name!r} is longer than {limit} characters.")
    return value


def flag(value: str | None) -> bool:
    """A boolean of a query string: `true`, `True` and `1` (clients of all ages) are yes."""
    return (value or "").lower() in ("true", "1")


# --- answers


def wire_time(moment: datetime) -> str:
    """`2026-01-02T03:04:05.678Z`: the only form every client parses."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def public_url(path: str) -> str:
    """The absolute URL, as clients reach it, of a path that begins with `/`."""
    return f"{settings.HUB_PUBLIC_URL}{path}"


def query_int(request: HttpRequest, name: str, *, default: int, lowest: int = 0, highest: int) -> int:
    """A whole number of the query, cut to `highest`; WireError 400 when it is no number or below `lowest`."""
    text = request.GET.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 12 or int(text) < lowest:
        raise WireError(400, f"{name!r} must be a whole number of at least {lowest}.")
    return min(int(text), highest)


def next_link(request: HttpRequest, **changed: str | int) -> str:
    """A `Link` header value to the next page: absolute, repeating the query with some values changed."""
    query = request.GET.copy()
    for name, value in changed.items():
        query[name] = str(value)
    url = f"{public_url(raw_path(request))}?{urlencode(list(_pairs(query)))}"
    return f'<{url}>; rel="next"'


def _pairs(query: Any) -> Iterator[tuple[str, str]]:
    for name, values in query.lists():
        for value in values:
            yield name, value


def paginate(request: HttpRequest, rows: Any, limit: int) -> tuple[list[Any], dict[str, str]]:
    """One page of `rows` (a queryset or sequence) and its headers; `cursor` in the query counts rows to
    skip."""
    start = query_int(request, "cursor", default=0, highest=10**9)
    page = list(rows[start : start + limit + 1])
    if len(page) <= limit:
        return page, {}
    return page[:limit], {"Link": next_link(request, cursor=start + limit)}
