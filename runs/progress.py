"""What the run page shows while a run goes on: its tags, points, time left, its result. Reads only."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Count, Max, Min, OuterRef, QuerySet, Subquery
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.actor import Actor
from models_app.leaderboards import leaderboard
from models_app.models import Benchmark
from models_app.views.boards import board_address
from runs.evaluations import other_scores
from runs.models import Attempt, Run, RunActivity, RunLog, Stage
from runs.queue import place_tag
from training.measures.drawings import drawings

MAX_POINTS = 1500
# What of a forecast comes after the last step.
_AFTER = ("save", "evaluate", "publish")


def state_tag(run: Run, *more: object) -> str:
    """Changes exactly when the polled fragment would; `more`: what else the fragment shows."""
    words = (run.stage, run.attempt, run.activity, run.message_id, run.worker_id, run.result_oid)
    numbers = (run.progress_step, metrics_tag(run), run.cancel_requested_at is not None, run.checkpoint_step)
    parts = (*words, *numbers, *_newest_rows(run), place_tag(run), *more)
    return f'"{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"'


def _newest_rows(run: Run) -> tuple[Any, ...]:
    """The newest log line, activity and attempt; each is found at the end of an index."""
    lines = _last(RunLog.objects.order_by("-attempt", "-seq"), "pk")
    attempts = Attempt.objects.order_by("-number")
    doing = _last(RunActivity.objects.order_by("-pk"), "pk")
    asked = {"line": lines, "doing": doing, "held": _last(attempts, "pk"), "how": _last(attempts, "outcome")}
    found = Run.objects.filter(pk=run.pk).order_by().annotate(**asked).values_list(*asked).first()
    return found or ()


def _last(rows: QuerySet[Any], column: str) -> Subquery:
    return Subquery(rows.filter(run=OuterRef("pk")).values(column)[:1])


def metrics_tag(run: Run) -> str:
    """Changes when a point is added or taken back."""
    found = run.metrics.aggregate(newest=Max("pk"), last=Max("step"), count=Count("pk"))
    return f"{found['newest']}.{found['last']}.{found['count']}.{run.progress_total}"


def series(run: Run) -> dict[str, list[tuple[int, float]]]:
    """Every curve as (step, value), thinned evenly to at most MAX_POINTS with its last point kept."""
    found: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for name, step, value in run.metrics.order_by("step").values_list("name", "step", "value"):
        found[name].append((step, value))
    return {name: _thin(points) for name, points in found.items()}


def _thin(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    stride = -(-len(points) // MAX_POINTS)
    return points[:: stride or 1] if stride <= 1 else points[::-stride][::-1]


@dataclass(frozen=True)
class Progress:
    """How far the run is; seconds left where that can be told. `is_learning`: a pace is known."""

    step: int
    total: int
    seconds_left: float | None
    is_learning: bool = False

    @property
    def is_known(self) -> bool:
        return self.total > 0


def progress_of(run: Run) -> Progress:
    """Time left from the pace of this attempt's points; before there is one, from what was foretold.

    What comes after the last step is added where a forecast tells it.
    """
    if run.stage != Stage.RUNNING or run.claimed_at is None:
        return Progress(run.progress_step, run.progress_total, None)
    steps_left = _seconds_of_steps(run)
    if steps_left is not None:
        whole_left = steps_left + _foretold_after(run)
        return Progress(run.progress_step, run.progress_total, whole_left, is_learning=True)
    whole = _number(run.forecast.get("seconds"))
    left = None if whole is None else whole - (timezone.now() - run.claimed_at).total_seconds()
    return Progress(run.progress_step, run.progress_total, left if left and left > 0 else None)


def _seconds_of_steps(run: Run) -> float | None:
    """Of the steps that are left, from the mean pace since the claim; None where there is no pace."""
    assert run.claimed_at is not None
    since = run.metrics.filter(at__gte=run.claimed_at - timedelta(seconds=1))
    points = since.aggregate(first=Min("step"), last=Max("step"), start=Min("at"), end=Max("at"))
    if points["first"] is None or points["last"] <= points["first"]:
        return None
    seconds = (points["end"] - points["start"]).total_seconds()
    if seconds <= 0:
        return None
    pace = seconds / (points["last"] - points["first"])
    return float(pace * max(0, run.progress_total - run.progress_step))


def _foretold_after(run: Run) -> float:
    parts = run.forecast.get("parts")
    return sum(_number(parts.get(name)) or 0.0 for name in _AFTER) if isinstance(parts, dict) else 0.0


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def seconds_taken(run: Run) -> float | None:
    """From the last claim to the end."""
    if run.claimed_at is None or run.finished_at is None:
        return None
    return (run.finished_at - run.claimed_at).total_seconds()


def plots_of(run: Run) -> list[str]:
    """SVG of what was measured: confusion, calibration, errors. Our own markup; labels are escaped."""
    return [SafeString(text) for text in drawings(run.summary.get("evaluation") or {}).values()]


def result_of(run: Run, actor: Actor) -> dict[str, Any]:
    """The measured number of a finished run and the leaderboard it stands on."""
    recipe = run.recipe.get("benchmark") or {}
    others = other_scores(run.summary.get("evaluation") or {}, run.ranked_by)
    found: dict[str, Any] = {"score": run.score, "others": others[:4]}
    benchmark = Benchmark.objects.filter(repo=run.benchmark_repo_id).select_related("repo__namespace").first()
    if benchmark is None:
        return found
    task_id = str(recipe.get("task_id", ""))
    rows = leaderboard(benchmark, task_id, actor)
    return found | {
        "board": board_address(benchmark, task_id),
        "board_name": benchmark.name or benchmark.repo.repo_id,
        "rank": next((row.rank for row in rows if row.result.repo_id == run.target_repo_id), None),
        "count": len(rows),
    }
