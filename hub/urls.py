"""The order of the doors: health, admin, the wire and what describes it, runs, accounts, last the pages with
their catch-all."""

from __future__ import annotations

from django.contrib import admin
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, include, path


def healthz(request: HttpRequest) -> HttpResponse:
    """Answer `ok` when the database answers; supervisors and tests wait for it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("ok\n", content_type="text/plain")


handler400 = "accounts.errors.bad_request"
handler404 = "accounts.errors.not_found"
handler500 = "accounts.errors.server_error"

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", healthz, name="healthz"),
    path("admin/", admin.site.urls),
    path("", include("hub.openapi.served")),
    path("", include("hub.openapi.reference_views")),
    path("", include("runs.api_urls")),
    path("", include("models_app.api.urls")),
    path("", include("accounts.urls")),
    path("", include("runs.urls")),
    path("", include("models_app.urls")),
]
