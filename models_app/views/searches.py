"""The page of search results, and what the search box shows while one types."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_safe

from models_app.search import MAX_QUERY_CHARS, words_of
from models_app.searching import TITLES, search_everything
from models_app.views.support import HubRequest, page

SHOWN = 5
SHOWN_ALONE = 40
SUGGESTED = 3
KINDS = (*TITLES, "threads", "people", "collections", "docs")


def _asked(request: HubRequest) -> str:
    text = request.GET.get("q", "").encode("utf-8", "ignore").decode("utf-8")
    return " ".join(text.replace("\0", " ")[:MAX_QUERY_CHARS].split())


@require_safe
@page
def search(request: HubRequest) -> HttpResponse:
    """`q` everywhere, a few of each kind; `kind` one of them, more of it."""
    text, kind = _asked(request), request.GET.get("kind", "")
    kind = kind if kind in KINDS else ""
    sections = search_everything(request.actor, text, SHOWN_ALONE if kind else SHOWN, only=kind)
    context = {
        "text": text,
        "kind": kind,
        "sections": sections,
        "is_asked": bool(words_of(text)),
        "shown": SHOWN,
    }
    return render(request, "search/results.html", context)


@require_safe
@page
def suggest(request: HubRequest) -> HttpResponse:
    """The options of the box's list for what was typed so far; a fragment."""
    text = _asked(request)
    context = {"text": text, "sections": search_everything(request.actor, text, SUGGESTED)}
    response = render(request, "search/_suggestions.html", context)
    patch_cache_control(response, private=True, max_age=30)
    return response
