"""The page that puts runs side by side; its address is all there is to share."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from models_app.views.support import HubRequest, page
from runs import compare, compare_measures


@require_safe
@page
def compare_runs(request: HubRequest) -> HttpResponse:
    """`?runs=uuid,uuid…`, two to eight; a form's `?run=uuid&run=uuid` is led to the address to share."""
    if request.GET.getlist("run"):
        ids = ",".join(dict.fromkeys(text.strip() for text in request.GET.getlist("run")))
        return HttpResponseRedirect(f"{reverse('run-compare')}?runs={_plain(ids)}")
    found = compare.chosen(request.actor, request.GET.getlist("runs"))
    context: dict[str, Any] = {"section": "runs", "chosen": found, "most": compare.MAX_RUNS}
    if len(found.runs) >= 2:
        context |= _compared(found)
    return render(request, "runs/compare.html", context)


def _compared(found: compare.Chosen) -> dict[str, Any]:
    runs = found.runs
    names = compare.names_of(runs)
    differing, same = compare.differing(runs)
    return {
        "columns": list(zip(runs, names, strict=True)),
        "names": ",".join(names),
        "sources": " ".join(reverse("run-metrics", args=[run.uuid]) for run in runs),
        "is_live": any(not run.has_ended for run in runs),
        "panels": compare.panels_of(runs),
        "measures": compare_measures.measures_of(runs),
        "validation": compare_measures.validation_of(runs),
        "is_fair": compare_measures.same_benchmark(runs),
        "is_same_validation": compare_measures.same_validation(runs),
        "costs": compare.costs_of(runs),
        "differing": differing,
        "same": same,
    }


def _plain(ids: str) -> str:
    """Only what ids are made of, so that nothing else gets into an address."""
    return "".join(c for c in ids[:1000] if c.isalnum() or c in "-,")
