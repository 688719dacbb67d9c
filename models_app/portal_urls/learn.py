"""Help in the site, the style guide, the tour, preferences."""

from __future__ import annotations

from django.urls import URLPattern, path

from models_app.views import help as help_pages
from models_app.views import styleguide

urlpatterns: list[URLPattern] = [
    path("docs", help_pages.contents, name="docs"),
    path("docs/<path:name>", help_pages.show, name="doc"),
    path("styleguide", styleguide.styleguide, name="styleguide"),
    path("styleguide/", styleguide.styleguide),
    path("styleguide/curve.json", styleguide.curve, name="styleguide-curve"),
]
