"""In which language a page is written: the person's choice, else what the browser asks for, else English."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_POST

from accounts.auth import actor_on
from accounts.models import User
from accounts.returning import back_to

YEAR = 365 * 24 * 3600
# Programs speak one language: what they print is looked for in issues and forums.
_WIRE = ("/api/", "/cas/", "/lfs/", "/v1/", "/oauth/", "/static/")


class LanguageMiddleware:
    """Activates the request's language; the wire's answers are English."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith(_WIRE):
            with translation.override("en"):
                return self.get_response(request)
        with translation.override(language_of(request)):
            response = self.get_response(request)
            response.headers.setdefault("Content-Language", translation.get_language() or "en")
        if response.get("Content-Type", "").startswith("text/html"):
            patch_vary_headers(response, ("Accept-Language", "Cookie"))
        return response


def language_of(request: HttpRequest) -> str:
    """The person's own choice, the cookie's, or the best of what the browser accepts."""
    user = actor_on(request).user
    for code in (
        user.language if user is not None else "",
        request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, ""),
    ):
        if code in dict(settings.LANGUAGES):
            return code
    return translation.get_language_from_request(request)


@require_POST
def set_language(request: HttpRequest) -> HttpResponseBase:
    """Keep `language` (empty: the browser's) for the person, or for this browser; go back to `next`."""
    code = request.POST.get("language", "")
    code = code if code in dict(settings.LANGUAGES) else ""
    response = HttpResponseRedirect(back_to(request))
    user = actor_on(request).user
    if user is not None:
        User.objects.filter(pk=user.pk).update(language=code)
    keep_language(response, code)
    return response


def keep_language(response: HttpResponseBase, code: str) -> None:
    """Have the browser remember it; an empty one is forgotten."""
    if code:
        response.set_cookie(settings.LANGUAGE_COOKIE_NAME, code, max_age=YEAR, samesite="Lax", httponly=True)
    else:
        response.delete_cookie(settings.LANGUAGE_COOKIE_NAME)
