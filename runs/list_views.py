"""The page that lists runs."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from models_app.views.support import HubRequest, page
from runs.compare import MAX_RUNS
from runs.listing import SORTS, facets_of, listed, sweep_of, wanted_of
from runs.models import Stage

PAGE_SIZE = 30


@require_safe
@page
def runs(request: HubRequest) -> HttpResponse:
    """Every run the actor may see; `?mine=1` only their own; `stage`, `task`, `model`, `dataset`, `sweep`
    and `search` narrow the list, `sort` puts it in order."""
    wanted = wanted_of(request.GET, request.actor)
    context = {
        "section": "runs",
        "rows": listed(request.actor, wanted, request.GET.get("page"), PAGE_SIZE),
        "stages": Stage.choices,
        "wanted": wanted,
        "stage": wanted.stage,
        "is_mine": wanted.is_mine,
        "facets": facets_of(request.actor, wanted, request.GET),
        "sorts": SORTS,
        "sweep": sweep_of(request.actor, wanted),
        "most": MAX_RUNS,
    }
    return render(request, "runs/runs.html", context)
