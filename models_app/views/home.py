"""The start page: what this is, and what has been happening."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from models_app.models import Repo
from models_app.views.boards import listed_benchmarks, summaries
from models_app.views.lists import HEAVY, SORTS
from models_app.views.support import HubRequest, page

SHOWN = 6


@require_safe
@page
def home(request: HubRequest) -> HttpResponse:
    """Trending models and datasets, leaderboards, and live runs (by the runs room's own tag)."""
    visible = Repo.objects.visible_to(request.actor).for_lists().defer(*HEAVY).order_by(*SORTS["trending"][1])
    visible = visible.exclude(card__html="")  # a repo that says nothing of itself is no news
    context = {
        "models": visible.models()[:SHOWN],
        "datasets": visible.datasets()[: SHOWN - 2],
        "boards": summaries(listed_benchmarks(request.actor)[: SHOWN - 2], request.actor),
    }
    return render(request, "home.html", context)
