"""Pages arrive gzip'd; the wire, files and streams go out as they are."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware

_PAGES = ("text/html", "application/json", "application/atom+xml")
# Clients of the wire check lengths and digests of what they get, and mostly get what does not shrink.
_WIRE = ("/api/", "/cas/", "/lfs/", "/v1/", "/oauth/")


class PageCompressionMiddleware(GZipMiddleware):
    """Django's own, with its padding against guesses by length, for pages and what scripts fetch."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """The answer, smaller if it is a page and the browser takes it so."""
        kind = response.get("Content-Type", "").partition(";")[0]
        if response.streaming or kind not in _PAGES or request.path_info.startswith(_WIRE):
            return response
        if "Content-Disposition" in response:
            return response
        return super().process_response(request, response)
