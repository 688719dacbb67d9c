"""What every endpoint of the wire shares: refusals as status and headers, paging, times.

hf-wire sections 0 and 1: errors are JSON objects, carry `X-Error-Code` where a client maps one, and are never
5xx for a mistake of the caller.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import urlencode

from django.conf import settings
from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.db import DataError, OperationalError
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.http.request import UnreadablePostError
from rest_framework.exceptions import APIException
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.actor import Actor
from accounts.auth import actor_on
from models_app import access
from models_app.actions.refusals import CredentialEnded, InvalidInput, MergeRefused, NotUploaded, RepoExists
from models_app.api.bodies import (
    JSON_LIMIT_BYTES,
    body_stream,
    flag,
    flag_field,
    json_object,
    read_limited,
    read_ndjson,
    text_field,
    upload_stream,
)
from models_app.api.errors import RateLimited, WireError, error_response
from models_app.rawpath import raw_path, raw_segments
from models_app.storage import errors as storage

__all__ = [
    "JSON_LIMIT_BYTES",
    "HubAPIView",
    "RateLimited",
    "WireError",
    "body_stream",
    "error_response",
    "flag",
    "flag_field",
    "json_object",
    "next_link",
    "paginate",
    "public_url",
    "query_int",
    "query_words",
    "raw_path",
    "raw_segments",
    "read_limited",
    "read_ndjson",
    "read_time",
    "refusal_response",
    "text_field",
    "upload_stream",
    "wire_time",
]

logger = logging.getLogger(__name__)

MAX_WORDS = 20


_STORAGE_STATUS: dict[type[storage.StorageError], tuple[int, str | None]] = {
    storage.RevisionNotFound: (404, "RevisionNotFound"),
    storage.EntryNotFound: (404, "EntryNotFound"),
    storage.StaleParent: (412, None),
    storage.RefExists: (409, None),
    storage.BadPath: (422, None),
    storage.PathConflict: (422, None),
    storage.BadRefName: (422, None),
    storage.FileTooLarge: (413, None),
    storage.ContentLost: (410, None),
}


def refusal_response(error: Exception, actor: Actor) -> JsonResponse | None:
    """The wire's answer to a known refusal; None for anything unknown (a fault of ours)."""
    if isinstance(error, access.Refusal):
        return _access_response(error, actor)
    if isinstance(error, RateLimited):
        return error_response(429, error.message, None, error.headers, **error.body)
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
    if isinstance(error, DataError):
        # PostgreSQL's last word, where no check of ours came first; SQLite would have stored it.
        logger.warning("the database refuses a value: %s", str(error).partition("\n")[0])
        return error_response(400, "A value has a NUL character, or is longer or larger than the hub stores.")
    if isinstance(error, OperationalError) and _is_passing(error):
        return error_response(503, "The hub is busy; please try again.", headers={"Retry-After": "2"})
    return None


def _is_passing(error: OperationalError) -> bool:
    """SQLite's one writer at a time; of PostgreSQL deadlocks, and connections lost or not to be had."""
    return type(error.__cause__).__module__.startswith("psycopg") or "locked" in str(error)


def _access_response(error: access.Refusal, actor: Actor) -> JsonResponse:
    # Who is not signed in is told to sign in (401); the client's exception depends on the code alone.
    denied = 401 if actor.is_anonymous else 403
    match error:
        case access.RepoNotFound():
            return error_response(401 if actor.is_anonymous else 404, error.message, "RepoNotFound")
        case access.NotThere():
            return error_response(404, error.message)
        case access.RepoGated():
            return error_response(denied, error.message, "GatedRepo")
        case access.LoginRequired() | CredentialEnded():
            return error_response(401, error.message)
        case InvalidInput() | NotUploaded():
            return error_response(400, error.message)
        case RepoExists() | MergeRefused():
            return error_response(409, error.message)
        case _:
            return error_response(403, error.message)


class _FirstRenderer(BaseContentNegotiation):
    """Clients send `Accept` of git-lfs or plain text to endpoints that answer JSON all the same."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:
        return next(iter(parsers))

    def select_renderer(
        self, request: Request, renderers: Iterable[Any], format_suffix: str | None = None
    ) -> Any:
        first = next(iter(renderers))
        return first, first.media_type


class HubAPIView(APIView):
    """Base of every endpoint: `self.actor` is who asks, refusals become the wire's statuses and headers."""

    content_negotiation_class = _FirstRenderer

    @property
    def actor(self) -> Actor:
        return actor_on(self.request)

    def perform_authentication(self, request: Request) -> None:
        """Nothing: the middleware has done it, and DRF would overwrite the session's user."""

    def handle_exception(self, exc: Exception) -> Response:
        """As the REST framework calls it; what is answered is said by `refuse`."""
        return cast("Response", self.refuse(exc))  # any kind of response will do

    def refuse(self, error: Exception) -> HttpResponseBase:
        """Map refusals to the wire; log what is our fault and say so without details."""
        if response := refusal_response(error, self.actor):
            return response
        if isinstance(error, Http404):
            return error_response(404, "Sorry, we can't find what you are looking for.")
        if isinstance(error, APIException):
            return error_response(error.status_code, str(error.detail))
        logger.exception("unhandled error on the wire", exc_info=error)
        return error_response(
            500, "Something went wrong on the hub's side; the operator can see what in its log."
        )


# --- answers


def wire_time(moment: datetime) -> str:
    """`2026-01-02T03:04:05.678Z`: the only form every client parses."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def read_time(text: Any) -> datetime | None:
    """A time in ISO 8601 with its zone, in UTC; None for what is none, or outside of the years 1 to 9999."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo is not None else None
    except (TypeError, ValueError, OverflowError):
        return None


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


def query_words(request: HttpRequest, name: str) -> list[str]:
    """The non-empty values of a repeatable parameter, each cut to 300 characters; WireError 400 for more than
    20."""
    words = [word.replace("\0", "").strip()[:300] for word in request.GET.getlist(name)]
    if len(words) > MAX_WORDS:
        raise WireError(400, f"{name!r} may be given at most {MAX_WORDS} times.")
    return [word for word in words if word]


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
