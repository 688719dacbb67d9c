"""Leaderboards: the list of benchmarks, and one benchmark's ranking."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from models_app.leaderboards import task_of
from models_app.models import Benchmark, RepoType
from models_app.views.board_history import history_of
from models_app.views.boards import board_rows, listed_benchmarks, summaries
from models_app.views.support import HubRequest, page, repo_page
from training.measured import tasks_measuring

PAGE_SIZE = 20
BOARD_SIZE = 100


@require_safe
@page
def leaderboards(request: HubRequest) -> HttpResponse:
    """Every listed benchmark with its best result; `q` narrows by name and data set."""
    query = request.GET.get("q", "").replace("\0", "").strip()[:100]
    found = listed_benchmarks(request.actor, query)
    rows = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    boards = summaries(list(rows), request.actor)
    context = {"section": "leaderboards", "rows": rows, "boards": boards, "query": query}
    return render(request, "leaderboards/list.html", context)


@require_safe
@page
def board(request: HubRequest, namespace: str, name: str) -> HttpResponse:
    """One benchmark's ranking on one of its tasks (`?task=`; the first where none is named); `verified=1`
    leaves out what no run of this hub measured."""
    repo = repo_page(request, RepoType.DATASET, namespace, name)
    benchmark = Benchmark.objects.filter(repo=repo).first()
    task = task_of(benchmark, request.GET.get("task")) if benchmark else None
    if benchmark is None or task is None:
        raise Http404
    every = board_rows(benchmark, task, request.actor)
    only = request.GET.get("verified") == "1"
    shown = [row for row in every if row.result.verified] if only else every
    higher = bool(task.get("higher_is_better", True))
    context = {
        "section": "leaderboards",
        "repo": repo,
        "benchmark": benchmark,
        "tasks": [each["id"] for each in benchmark.tasks],
        "task": task,
        "rows": Paginator(shown, BOARD_SIZE).get_page(request.GET.get("page")),
        "only_verified": only,
        "verified_count": sum(row.result.verified for row in every),
        "count": len(every),
        "tied": sum(row.is_tied for row in shown),
        "history": history_of(
            [row.result for row in shown], higher_is_better=higher, today=timezone.now().date()
        ),
        "fitting": tasks_measuring(str(task.get("metric") or "accuracy")),
    }
    return render(request, "leaderboards/board.html", context)
