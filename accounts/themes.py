"""In which colours pages are drawn: the person's choice, else this browser's, else what its system prefers.

The server writes the choice into `<html data-theme>`, so no page is first drawn in other colours. The cookie
is kept for people with an account too: an error page must not ask the database.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.translation import get_language_info
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from accounts.auth import actor_on
from accounts.languages import YEAR
from accounts.models import User
from accounts.returning import back_to

COOKIE = "theme"
# What data-theme may be; empty: the system's choice, high contrast included.
THEMES = {"": _("System"), "light": _("Light"), "dark": _("Dark"), "contrast": _("High contrast")}


def theme_of(request: HttpRequest) -> str:
    """The person's theme, else the cookie's, which is all that a request refused early has."""
    actor = getattr(request, "actor", None)
    user = actor.user if actor is not None else None
    return user.theme if user is not None and user.theme in THEMES and user.theme else cookie_theme(request)


def cookie_theme(request: HttpRequest) -> str:
    """What this browser was told last."""
    theme = request.COOKIES.get(COOKIE, "")
    return theme if theme in THEMES else ""


def keep_theme(response: HttpResponseBase, theme: str) -> None:
    """Have the browser remember it; an empty one is forgotten."""
    if theme:
        response.set_cookie(COOKIE, theme, max_age=YEAR, samesite="Lax", httponly=True)
    else:
        response.delete_cookie(COOKIE)


@require_POST
def set_theme(request: HttpRequest) -> HttpResponseBase:
    """Keep `theme` (empty: the system's) for the person and for this browser; go back to `next`."""
    theme = request.POST.get("theme", "")
    theme = theme if theme in THEMES else ""
    user = actor_on(request).user
    if user is not None:
        User.objects.filter(pk=user.pk).update(theme=theme)
    response = HttpResponseRedirect(back_to(request))
    keep_theme(response, theme)
    return response


def chrome(request: HttpRequest) -> dict[str, Any]:
    """Context of every page: `theme`, and the `themes` and `languages` there are to choose from."""
    languages = [(code, get_language_info(code)["name_local"]) for code, _name in settings.LANGUAGES]
    return {"theme": theme_of(request), "themes": THEMES.items(), "languages": languages}
