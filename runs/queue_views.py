"""The page of the queue, live, and the page of what a namespace has computed."""

from __future__ import annotations

import hashlib

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import parse_etags
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from models_app.views.lists import page_of
from models_app.views.support import HubRequest, page
from runs import board, quotas
from runs.compute import access_compute, entries_of, people_of
from runs.flavors import FLAVORS
from runs.queue import Line, lines_of

# Of each line where several are shown, and on a page of one.
GLANCE, PAGE_SIZE = 20, 50


@require_safe
@page
def queue(request: HubRequest) -> HttpResponse:
    """What runs and what waits, by flavor; `?flavor=` one line by pages. htmx asks for the part that changes,
    which is 304 while nothing has."""
    flavor, is_poll = request.GET.get("flavor", ""), "HX-Request" in request.headers
    lines = lines_of([flavor] if flavor in FLAVORS else None)
    tag = f'"{hashlib.sha256(f"{request.user.pk}{board.tag_of(lines)}".encode()).hexdigest()[:32]}"'
    given = parse_etags(request.headers.get("If-None-Match", ""))
    if is_poll and (tag in given or f"W/{tag}" in given):
        response = HttpResponse(status=304)
    else:
        template = "runs/_queue.html" if is_poll else "runs/queue.html"
        response = render(request, template, _context(request, lines))
    response["ETag"] = tag
    response["Cache-Control"] = "private, no-cache"
    response["Vary"] = "Cookie, HX-Request"
    return response


def _context(request: HubRequest, lines: list[Line]) -> dict[str, object]:
    eyes = board.Eyes(request.actor)
    context: dict[str, object] = {"section": "runs", "own": sorted(eyes.own_names)}
    if len(lines) == 1:
        rows = Paginator(lines[0].waiting, PAGE_SIZE).get_page(request.GET.get("page"))
        lanes = [board.lane_of(lines[0], eyes, (rows.number - 1) * PAGE_SIZE, PAGE_SIZE)]
        return context | {"lanes": lanes, "rows": rows}
    return context | {"lanes": [board.lane_of(line, eyes, 0, GLANCE) for line in lines]}


@never_cache
@login_required
@require_safe
@page
def compute(request: HubRequest, namespace: str) -> HttpResponse:
    """What the namespace's runs took within 30 days, by whom, and what is left of its minutes."""
    found, now = access_compute(request.actor, namespace), timezone.now()
    context = {
        "section": "runs",
        "namespace": found,
        "usage": quotas.usage_of(found, now),
        "people": people_of(found, now),
        "rows": page_of(entries_of(found, now), request.GET.get("page"), PAGE_SIZE),
    }
    return render(request, "runs/compute.html", context)
