"""What the run page shows while a run goes on: curves, time left, the log's tail. Reads only."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Max, Min
from django.utils.safestring import SafeString

from accounts.actor import Actor
from models_app.leaderboards import leaderboard
from models_app.models import Benchmark
from models_app.templatetags.hub import is_share
from models_app.views.boards import board_address
from runs.evaluations import other_scores
from runs.models import Run, RunLog, Stage
from training.measures.drawings import drawings

MAX_POINTS = 1500
LOG_TAIL = 200
MAX_CURVES = 5
# What the curves of a task without a word so far will be.
FIRST_CURVES = ("loss", "accuracy")


@dataclass(frozen=True)
class Curve:
    """One panel: `name` is the part after train/ or val/; `rows` its table for people without script."""

    name: str
    is_share: bool
    rows: list[dict[str, Any]]

    @property
    def series(self) -> str:
        return f"train/{self.name} val/{self.name}"


def state_tag(run: Run) -> str:
    """Changes exactly when the polled fragment would."""
    last = run.logs.aggregate(newest=Max("pk"))["newest"]
    words = (run.stage, run.attempt, run.activity, run.message_id, run.worker_id, run.result_oid)
    numbers = (run.progress_step, metrics_tag(run), last, run.cancel_requested_at is not None)
    parts = (*words, *numbers)
    return f'"{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"'


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


def curves_of(run: Run) -> list[Curve]:
    """The loss, then what is measured beside it, in the order in which the worker told it first."""
    told = run.metrics.filter(name__contains="/").values("name").annotate(first=Min("pk")).order_by("first")
    names = list(dict.fromkeys(row["name"].partition("/")[2] for row in told)) or list(FIRST_CURVES)
    names.sort(key=lambda name: name != "loss")
    shown = names[:MAX_CURVES]
    rows = _epoch_rows(run, shown)
    return [Curve(name, is_share(name), rows[name]) for name in shown]


def _epoch_rows(run: Run, names: list[str]) -> dict[str, list[dict[str, Any]]]:
    """The curves as tables, one row a validation: what people without script see, and readers read."""
    rows: dict[int, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    wanted = [f"{part}/{name}" for name in names for part in ("train", "val")]
    for full, step, value in run.metrics.filter(name__in=wanted).values_list("name", "step", "value"):
        part, _, name = full.partition("/")
        rows[step][name][part] = value
    steps = [step for step in sorted(rows) if any("val" in parts for parts in rows[step].values())][-50:]
    return {
        name: [{"step": step, **rows[step][name]} for step in steps if rows[step][name]] for name in names
    }


@dataclass(frozen=True)
class Progress:
    """How far the run is; seconds left where that can be told."""

    step: int
    total: int
    seconds_left: float | None

    @property
    def is_known(self) -> bool:
        return self.total > 0


def progress_of(run: Run) -> Progress:
    """Time left from the pace between the first and the last reported point of this attempt."""
    points = run.metrics.aggregate(first=Min("step"), last=Max("step"), start=Min("at"), end=Max("at"))
    left = None
    if run.stage == Stage.RUNNING and points["first"] is not None and points["last"] > points["first"]:
        seconds = (points["end"] - points["start"]).total_seconds()
        pace = seconds / (points["last"] - points["first"])
        left = pace * max(0, run.progress_total - run.progress_step) if seconds > 0 else None
    return Progress(run.progress_step, run.progress_total, left)


def seconds_taken(run: Run) -> float | None:
    """From the last claim to the end."""
    if run.claimed_at is None or run.finished_at is None:
        return None
    return (run.finished_at - run.claimed_at).total_seconds()


def log_tail(run: Run) -> list[RunLog]:
    """The newest lines, oldest of them first."""
    return list(run.logs.order_by("-attempt", "-seq")[:LOG_TAIL])[::-1]


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
