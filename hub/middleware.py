"""What every response carries."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

log = logging.getLogger("hub.requests")
_READS = ("GET", "HEAD", "OPTIONS")
_FLOODS = re.compile(r"/cas/|/v1/telemetry|/oauth/token$|/api/runs/[^/]+/report$")
_PROXY_ID = re.compile(r"[A-Za-z0-9._=;-]{8,128}")


class RequestIdMiddleware:
    """Names each request in `X-Request-Id` (wire section 1: clients print it in their error messages)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # A proxy's or client's own id is kept so that its log and ours agree; what could forge a line is not.
        given = request.META.get("HTTP_X_REQUEST_ID") or request.META.get("HTTP_X_AMZN_TRACE_ID", "")
        request.id = given if _PROXY_ID.fullmatch(given) else uuid.uuid4().hex  # type: ignore[attr-defined]
        response = self.get_response(request)
        response["X-Request-Id"] = request.id  # type: ignore[attr-defined]
        return response


class RequestLogMiddleware:
    """One line for each write and each fault; never the query string, which may carry a signature.

    Reads are not told of, nor what comes in floods: xorbs on their way in, heartbeats, devices that wait.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = time.monotonic()
        response = self.get_response(request)
        told = request.method not in _READS and not _FLOODS.match(request.path_info)
        if told or response.status_code >= 500:
            actor = getattr(request, "actor", None)
            who = actor.user.username if actor is not None and actor.user is not None else "anonymous"
            # repr keeps a path with line breaks or terminal codes on one harmless line.
            path = repr(request.path_info[:200])[1:-1]
            spent = (time.monotonic() - began) * 1000
            log.info("%s %s %s: %d in %.0f ms", who, request.method, path, response.status_code, spent)
        return response


# No inline script or style anywhere; cards may show images of other sites, as they do elsewhere.
PAGE_POLICY = (
    "default-src 'self'; img-src 'self' data: https:; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)


class PagePolicyMiddleware:
    """Gives every HTML answer a policy under which nothing runs that a card smuggled past the sanitiser."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if response.get("Content-Type", "").startswith("text/html"):
            response.headers.setdefault("Content-Security-Policy", PAGE_POLICY)
        return response
