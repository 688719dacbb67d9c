"""Pages for when something is not as expected: what happened, what to do now, and a way on.

Django finds them by `handler400` … in hub/urls.py and by CSRF_FAILURE_VIEW. They live in the lowest room so
that every room may answer with one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.middleware.csrf import REASON_BAD_ORIGIN, REASON_NO_CSRF_COOKIE
from django.shortcuts import render
from django.template import loader
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.themes import cookie_theme

_WIRE = ("/api/", "/cas/", "/lfs/", "/v1/", "/oauth/")
# Fields that are nobody's writing, or nobody's to see.
_NOT_SHOWN = re.compile(r"pass|secret|token|key|csrf|^next$|^old$|^new$", re.IGNORECASE)
_KEPT_FIELDS, _KEPT_CHARACTERS, _LEAST = 6, 200_000, 30


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400, or 413 for a form with more in it than the hub reads into memory."""
    if request.path_info.startswith(_WIRE):
        return JsonResponse({"error": "Bad request"}, status=400)
    if isinstance(exception, RequestDataTooBig):
        return _bare(request, "413.html", 413)
    many = isinstance(exception, TooManyFieldsSent | TooManyFilesSent)
    return _bare(request, "400.html", 400, {"many": many})


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404, with the address's last words in the search box. Context: `typed`."""
    last = request.path_info.rstrip("/").rpartition("/")[2]
    typed = " ".join(re.findall(r"\w+", last))[:60]
    return render(request, "404.html", {"typed": typed, "exception": str(exception)}, status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """500, without asking the database anything: it may be what is broken."""
    if request.path_info.startswith(_WIRE):
        return JsonResponse({"error": "Internal server error"}, status=500)
    return _bare(request, "500.html", 500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 for a form whose token is not this browser's. What was typed is on the page, to be taken along.

    Context: `cause` (cookies, address or age), `again` (the form's page), `kept` (long texts of the form).
    """
    cause = "age"
    if reason == REASON_NO_CSRF_COOKIE:
        cause = "cookies"
    elif reason.startswith((REASON_BAD_ORIGIN.partition(" - ")[0], "Referer checking failed")):
        cause = "address"
    # What a foreign page sent is not shown back in the hub's name.
    kept = [] if cause == "address" else _kept(request)
    context = {"cause": cause, "again": _again(request), "kept": kept}
    return _bare(request, "403_csrf.html", 403, context)


def _kept(request: HttpRequest) -> list[tuple[str, str]]:
    """Names and texts of what somebody wrote."""
    try:
        sent = list(request.POST.items())
    except (UnreadablePostError, RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent):
        return []
    texts = [(name, str(text)) for name, text in sent if not _NOT_SHOWN.search(name) and len(text) >= _LEAST]
    return [(name[:60], text[:_KEPT_CHARACTERS]) for name, text in texts[:_KEPT_FIELDS]]


def _again(request: HttpRequest) -> str:
    """The page that the form was on, if the browser tells and it is ours."""
    referer = request.headers.get("Referer", "")
    return referer if url_has_allowed_host_and_scheme(referer, {request.get_host()}) else ""


def _bare(
    request: HttpRequest, template: str, status: int, context: Mapping[str, object] | None = None
) -> HttpResponse:
    """A page that needs no person, no session and no database."""
    known = {"theme": cookie_theme(request), "request_id": getattr(request, "id", ""), **(context or {})}
    return HttpResponse(loader.get_template(template).render(known), status=status)
