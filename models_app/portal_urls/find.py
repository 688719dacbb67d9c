"""Search over everything, and what it suggests."""

from __future__ import annotations

from django.urls import URLPattern, path

from models_app.views import searches

urlpatterns: list[URLPattern] = [
    path("search", searches.search, name="search"),
    path("search/suggest", searches.suggest, name="suggest"),
]
