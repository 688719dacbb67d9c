"""GET /api/openapi.json: the description of this very hub, the same for everybody."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from rest_framework.request import Request

from hub.openapi.document import openapi
from models_app.api.urls import WIRE
from models_app.api.wire import HubAPIView
from runs.api_urls import urlpatterns as RUNS

_CACHE_SECONDS = 3600


class OpenApi(HubAPIView):
    """GET /api/openapi.json: this description. It changes with the hub's version only, and has an `ETag`."""

    def get(self, request: Request) -> HttpResponse:
        text, etag = _served()
        headers = {"ETag": etag, "Cache-Control": f"public, max-age={_CACHE_SECONDS}"}
        if _is_known(request, etag):
            return HttpResponse(status=304, headers=headers)
        return HttpResponse(text, content_type="application/json", headers=headers)


def _is_known(request: HttpRequest, etag: str) -> bool:
    known = [one.strip().removeprefix("W/") for one in request.headers.get("If-None-Match", "").split(",")]
    return etag in known or "*" in known


@lru_cache(maxsize=1)
def _served() -> tuple[bytes, str]:
    """The text and its ETag; made at the first request, since it reads every view."""
    text = json.dumps(openapi(ROUTES), ensure_ascii=False, separators=(",", ":")).encode()
    return text, f'"{hashlib.sha256(text).hexdigest()[:32]}"'


urlpatterns: list[URLPattern] = [path("api/openapi.json", OpenApi.as_view())]
# Everything the hub answers over HTTP as an API, in the order in which Django tries it.
ROUTES: list[URLPattern] = [*urlpatterns, *RUNS, *WIRE]
