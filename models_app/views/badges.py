"""What the badges are, how each is earned, and who has it."""

from __future__ import annotations

from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from models_app.badges import KINDS
from models_app.models import Badge
from models_app.views.support import HubRequest, page

SHOWN = 12


@require_safe
@page
def badges(request: HubRequest) -> HttpResponse:
    """Every kind with the newest who earned it; two queries and one a kind."""
    counts = dict(Badge.objects.order_by().values_list("kind").annotate(count=Count("pk")))
    rows = Badge.objects.select_related("namespace__user", "namespace__organization")
    lines = [
        (
            badge,
            counts.get(badge.kind, 0),
            rows.filter(kind=badge.kind).order_by("-earned_at", "-pk")[:SHOWN],
        )
        for badge in KINDS
    ]
    return render(request, "profiles/badges.html", {"lines": lines})
