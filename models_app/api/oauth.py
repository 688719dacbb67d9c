"""Login from a terminal by a code that is entered in a browser (hf-wire section 2, RFC 8628 and RFC 6749)."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

from django.http import HttpResponseBase, JsonResponse
from django.urls import URLPattern, path
from rest_framework.request import Request

from accounts import device, logins, throttle
from models_app.api.wire import HubAPIView, RateLimited, WireError, error_response, public_url, read_limited

_MAX_BODY_BYTES = 32 * 1024
_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_EXCHANGE_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
# RFC 6749 section 5.1: no cache may keep a token or a code.
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class _OAuthView(HubAPIView):
    """Refusals have OAuth's shape: `{"error": code, "error_description": sentence}` with 400."""

    def refuse(self, error: Exception) -> HttpResponseBase:
        if isinstance(error, logins.OAuthError):
            return _refusal(400, error.code, error.description)
        if isinstance(error, WireError) and not isinstance(error, RateLimited):
            return _refusal(error.status, "invalid_request", error.message)
        return super().refuse(error)


class StartDevice(_OAuthView):
    """POST /oauth/device (form): both codes and where the person enters theirs."""

    def post(self, request: Request) -> JsonResponse:
        address = throttle.address_of(request)
        _check_limit(
            throttle.DEVICE_STARTS, address, error_description="Too many logins were begun from here."
        )
        throttle.DEVICE_STARTS.note(address)
        started = device.start(client_id=_fields(request).get("client_id", ""))
        page = public_url("/device")
        return JsonResponse(
            {
                "device_code": started.device_code,
                "user_code": started.user_code,
                "verification_uri": page,
                "verification_uri_complete": f"{page}?code={started.user_code}",
                "interval": device.INTERVAL_SECONDS,
                "expires_in": int(device.CODE_LIFE.total_seconds()),
            },
            headers=_NO_STORE,
        )


class Token(_OAuthView):
    """POST /oauth/token: an access token for a device code a person approved, or for a refresh token."""

    def post(self, request: Request) -> JsonResponse:
        address = throttle.address_of(request)
        # The stock client takes any other `error` of a 429 for the end of the login.
        _check_limit(throttle.DEVICE_POLLS, address, error_description="Too many questions from here.")
        throttle.DEVICE_POLLS.note(address)
        fields = _fields(request)
        grant = _grant(fields.get("grant_type", ""), fields)
        return JsonResponse(
            {
                "access_token": grant.access_token,
                "refresh_token": grant.refresh_token,
                "token_type": "bearer",
                "expires_in": grant.expires_in,
                "scope": "write",
            },
            headers=_NO_STORE,
        )


def _grant(kind: str, fields: dict[str, str]) -> logins.Grant:
    client_id = fields.get("client_id", "")
    if kind == _DEVICE_GRANT:
        return device.redeem(device_code=fields.get("device_code", ""), client_id=client_id)
    if kind == "refresh_token":
        return logins.refresh(refresh_token=fields.get("refresh_token", ""), client_id=client_id)
    if kind == _EXCHANGE_GRANT:
        text = "This hub does not exchange CI identity tokens: set HF_TOKEN to an access token made under "
        raise logins.OAuthError("unsupported_grant_type", f"{text}{public_url('/settings/tokens')}.")
    known = f"{_DEVICE_GRANT} and refresh_token"
    raise logins.OAuthError("unsupported_grant_type", f"This hub knows the grant types {known} only.")


def _fields(request: Request) -> dict[str, str]:
    """The body's fields: a form as OAuth has it, or the JSON object that the client's CI exchange sends."""
    body = read_limited(request, _MAX_BODY_BYTES)
    if "json" in request.META.get("CONTENT_TYPE", ""):
        try:
            value = json.loads(body or b"{}")
        except (ValueError, RecursionError):
            raise WireError(400, "The request body is not valid JSON.") from None
        pairs = value.items() if isinstance(value, dict) else ()
        return {name: text for name, text in pairs if isinstance(text, str) and text.isprintable()}
    try:
        return dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=50))
    except ValueError:
        raise WireError(400, "The form has too many fields.") from None


def _check_limit(limit: throttle.Limit, who: str, **body: Any) -> None:
    if limit.is_full(who):
        raise RateLimited("slow_down", limit.headers(who), **body)


def _refusal(status: int, code: str, description: str) -> JsonResponse:
    response = error_response(status, code, None, _NO_STORE, error_description=description)
    response["X-Error-Message"] = description.encode("ascii", "backslashreplace").decode()[:500]
    return response


urlpatterns: list[URLPattern] = [
    path("oauth/device", StartDevice.as_view()),
    path("oauth/token", Token.as_view()),
]
