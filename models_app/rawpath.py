"""The request's path before anybody decoded it: `feat%2Fx` is one segment, and WSGI's PATH_INFO has lost
that."""

from __future__ import annotations

from urllib.parse import quote, unquote

from django.http import HttpRequest

_PATH_CHARACTERS = "/!$&'()*+,;=:@-._~"


def raw_path(request: HttpRequest) -> str:
    """The percent-encoded path, beginning with `/`, without the query.

    Taken from the server's raw URI; where there is none (Django's test client) slashes stay what they look
    like.
    """
    uri = request.META.get("RAW_URI") or ""
    if "://" in uri.split("?", 1)[0] and not uri.startswith("/"):
        uri = "/" + uri.split("://", 1)[1].partition("/")[2]  # absolute form, as sent through proxies
    path: str = uri.split("?", 1)[0].split("#", 1)[0]
    return path or quote(request.path_info, safe=_PATH_CHARACTERS)


def raw_segments(request: HttpRequest) -> list[str]:
    """The path's segments, each decoded by itself: `/m/tree/feat%2Fx/a` is `["m", "tree", "feat/x", "a"]`."""
    return [unquote(segment) for segment in raw_path(request).strip("/").split("/")]
