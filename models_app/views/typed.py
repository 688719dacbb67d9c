"""What somebody typed is never lost: kept over a sign-in; a browser's draft goes once it was sent."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase

SENT_COOKIE = "sent"
SENT_SECONDS = 600
# A session is a row of the database; what is longer only the browser's own draft keeps.
MAX_KEPT_CHARACTERS = 128 * 1024
_KEPT = "typed"


def keep_typed(request: HttpRequest, *names: str) -> None:
    """Remember these fields of a form that somebody sent whose session had ended."""
    fields = {name: request.POST.get(name, "") for name in names}
    if any(fields.values()) and sum(map(len, fields.values())) <= MAX_KEPT_CHARACTERS:
        request.session[_KEPT] = {"path": request.path, "fields": fields}


def take_typed(request: HttpRequest) -> dict[str, str]:
    """What was kept for this page, once; empty where there is nothing, or nobody has signed in yet."""
    kept = request.session.get(_KEPT)
    if not request.user.is_authenticated or not isinstance(kept, dict) or kept.get("path") != request.path:
        return {}
    del request.session[_KEPT]
    return dict(kept["fields"])


def mark_sent(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Tell `drafts.js` that the form with this key has done its work, so that its draft can go."""
    key = request.POST.get("submit_key", "")
    if key.isalnum() and len(key) <= 40:
        response.set_cookie(
            SENT_COOKIE, key, max_age=SENT_SECONDS, samesite="Lax", secure=request.is_secure()
        )
    return response
