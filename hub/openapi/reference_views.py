"""The pages of the API: its groups, and one group with every request in it."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.utils.translation import get_language
from django.views.decorators.http import require_safe

from hub.openapi.reference import Group, groups
from models_app.views.help import example_token, examples, groups_of_pages
from models_app.views.support import HubRequest, page


@require_safe
@page
def contents(request: HubRequest) -> HttpResponse:
    """Every request by group, its path and what it does."""
    return render(request, "help/api.html", _context(request))


@require_safe
@page
def group(request: HubRequest, name: str) -> HttpResponse:
    """One group: fields and examples of each request."""
    every = groups()
    found = next((one for one in every if one.name == name), None)
    if found is None:
        raise Http404("There is no such part of the API.")
    context = _context(request) | examples(request, example_token(request)) | {"group": found}
    context["rows"] = _rows(found, context["endpoint"])
    return render(request, "help/api_group.html", context)


def _rows(found: Group, endpoint: str) -> list[dict[str, Any]]:
    return [
        {"request": one, "curl": one.curl(endpoint), "python": one.python(endpoint)} for one in found.requests
    ]


def _context(request: HubRequest) -> dict[str, Any]:
    language = get_language() or "en"
    return {"section": "docs", "section_api": True, "groups": groups_of_pages(language), "parts": groups()}


urlpatterns: list[URLPattern] = [
    path("docs/api", contents, name="docs-api"),
    path("docs/api/<slug:name>", group, name="docs-api-group"),
]
