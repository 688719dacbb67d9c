"""Leaderboards: the list of benchmarks, and one benchmark's ranking."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from models_app.leaderboards import task_of
from models_app.models import Benchmark, RepoType
from models_app.views.boards import board_rows, listed_benchmarks, summaries
from models_app.views.support import HubRequest, page, repo_page
from training.measured import tasks_measuring

PAGE_SIZE = 20


@require_safe
@page
def leaderboards(request: HubRequest) -> HttpResponse:
    """Every listed benchmark with its best result."""
    rows = Paginator(listed_benchmarks(request.actor), PAGE_SIZE).get_page(request.GET.get("page"))
    boards = summaries(list(rows), request.actor)
    return render(
        request, "leaderboards/list.html", {"section": "leaderboards", "rows": rows, "boards": boards}
    )


@require_safe
@page
def board(request: HubRequest, namespace: str, name: str) -> HttpResponse:
    """One benchmark's ranking on one of its tasks (`?task=`; the first where none is named)."""
    repo = repo_page(request, RepoType.DATASET, namespace, name)
    benchmark = Benchmark.objects.filter(repo=repo).first()
    task = task_of(benchmark, request.GET.get("task")) if benchmark else None
    if benchmark is None or task is None:
        raise Http404
    context = {
        "section": "leaderboards",
        "repo": repo,
        "benchmark": benchmark,
        "tasks": [each["id"] for each in benchmark.tasks],
        "task": task,
        "rows": board_rows(benchmark, task, request.actor),
        "fitting": tasks_measuring(str(task.get("metric") or "accuracy")),
    }
    return render(request, "leaderboards/board.html", context)
