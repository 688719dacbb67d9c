"""The start page: what this is, and what has been happening."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from models_app import news
from models_app.models import RepoType
from models_app.views.boards import listed_benchmarks, summaries
from models_app.views.support import HubRequest, page

SHOWN = 6
FEW = 4


@require_safe
@page
def home(request: HubRequest) -> HttpResponse:
    """Trending and new repos, boards that moved, recipes, the forum; runs by the runs room's own tags."""
    actor = request.actor
    moved = news.moved_boards(actor, FEW + 1)
    context = {
        "models": news.trending(actor, RepoType.MODEL, SHOWN),
        "datasets": news.trending(actor, RepoType.DATASET, FEW),
        "newest": news.newest(actor, (RepoType.MODEL, RepoType.DATASET), FEW + 1),
        "recipes": news.trending(actor, RepoType.RECIPE, FEW),
        "threads": news.forum_lately(actor, FEW),
        "moved": moved,
        # A hub on which nothing has moved yet shows the boards there are.
        "boards": [] if moved else summaries(listed_benchmarks(actor)[:FEW], actor),
    }
    return render(request, "home.html", context)
