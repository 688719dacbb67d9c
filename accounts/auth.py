"""From a request's credentials to its actor: bearer token, Basic password (git), or browser session."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any, cast

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from rest_framework.authentication import CSRFCheck

from accounts.actor import ANONYMOUS, Actor
from accounts.tokens import TOKEN_PREFIX, find_token

INVALID_CREDENTIALS = "Invalid credentials in Authorization header"
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")
# Doors that take credentials of their own kind (a CAS ticket, a worker's token) and judge them themselves.
_OWN_CREDENTIALS = re.compile(r"/(cas/|v1/telemetry|api/runs/(claim$|[^/]+/)|api/workers/)")
_GIT = re.compile(r"\.git/|/info/refs$|/git-(upload|receive)-pack$")


class HubRequest(HttpRequest):
    """A request that has passed ActorMiddleware."""

    actor: Actor


def actor_on(request: HttpRequest) -> Actor:
    """Who sends a request that has passed ActorMiddleware."""
    return cast("HubRequest", request).actor


class BadCredentials(Exception):
    """Credentials were given and they are nobody's."""


class ActorMiddleware:
    """Sets `request.actor` on every request.

    A bearer token needs no CSRF token; a session needs one on every unsafe method, also where a view is
    exempt from Django's own check, as all of the wire's views are. Unknown credentials are 401 at once
    (wire section 1): silently reading on as anonymous would hide an expired token.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        marked = cast("HubRequest", request)
        try:
            marked.actor = actor_of(request)
        except BadCredentials:
            marked.actor = ANONYMOUS
            return _invalid_credentials(request)
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        """Refuse a session's unsafe request without a CSRF token where the view leaves the check to us."""
        is_session = not getattr(request, "_dont_enforce_csrf_checks", False)
        forgeable = is_session and actor_on(request).user is not None
        if not forgeable or request.method in _SAFE_METHODS or not getattr(view, "csrf_exempt", False):
            return None
        reason = CSRFCheck(lambda _: HttpResponse()).process_view(request, None, (), {})  # type: ignore[arg-type]
        return _refusal(403, f"CSRF check failed: {reason}") if reason else None


def actor_of(request: HttpRequest) -> Actor:
    """The request's actor; BadCredentials when an Authorization header names nobody."""
    text = _token_text(request)
    if text is None:
        return _session_actor(request)
    token = find_token(text)
    if token is not None:
        # A browser that was once asked for a password sends it along with any other site's form, a bearer
        # token never. So Basic is proof of intent only where git speaks.
        if bearer_text(request) is not None or _GIT.search(request.path_info):
            request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
        return Actor(token.user, token)
    if not text.startswith(TOKEN_PREFIX) and _OWN_CREDENTIALS.match(request.path_info):
        return ANONYMOUS
    raise BadCredentials


def bearer_text(request: HttpRequest) -> str | None:
    """The text after `Bearer`, for the doors that take credentials of their own kind."""
    scheme, _, text = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else None


def _token_text(request: HttpRequest) -> str | None:
    header = request.META.get("HTTP_AUTHORIZATION", "")
    if not header:
        return None
    scheme, _, text = header.partition(" ")
    if scheme.lower() == "bearer":
        return text.strip()
    if scheme.lower() == "basic":
        return _basic_password(text.strip())
    raise BadCredentials


def _basic_password(encoded: str) -> str:
    """Git sends the token as the password, with any user name."""
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise BadCredentials from error
    return password or user


def _session_actor(request: HttpRequest) -> Actor:
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return ANONYMOUS
    # A suspended person keeps the cookie but is nobody.
    return ANONYMOUS if user.is_suspended else Actor(getattr(user, "_wrapped", user), None)


def _invalid_credentials(request: HttpRequest) -> HttpResponse:
    response = _refusal(401, INVALID_CREDENTIALS)
    if not request.META.get("HTTP_AUTHORIZATION", "").lower().startswith("bearer"):
        response["WWW-Authenticate"] = 'Basic realm="Access tokens", charset="UTF-8"'
    return response


def _refusal(status: int, message: str) -> HttpResponse:
    response = JsonResponse({"error": message}, status=status)
    response["X-Error-Message"] = message
    return response
