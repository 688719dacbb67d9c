"""The ranking of a benchmark's task: read fresh from the results that were pushed, no table to go stale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models_app.content.evals import rank
from models_app.models import BaseModelEdge, Benchmark, EvalResult, Repo

if TYPE_CHECKING:
    from accounts.actor import Actor


@dataclass(frozen=True)
class Row:
    """One model's place on one task; equal values share a rank."""

    rank: int
    result: EvalResult

    @property
    def repo(self) -> Repo:
        return self.result.repo


def task_of(benchmark: Benchmark, task_id: str | None = None) -> dict[str, Any] | None:
    """The task with this id (None: the benchmark's first), or None when it has no such task."""
    if task_id is None:
        return benchmark.tasks[0] if benchmark.tasks else None
    return next((task for task in benchmark.tasks if task["id"] == task_id), None)


def metric_of(repo: Repo, task_id: str) -> str:
    """What this benchmark's task is ranked by."""
    benchmark = Benchmark.objects.filter(repo=repo).first()
    task = task_of(benchmark, task_id) if benchmark else None
    return str((task or {}).get("metric") or "accuracy")


def leaderboard(benchmark: Benchmark, task_id: str, actor: Actor, *, roots_only: bool = False) -> list[Row]:
    """The models `actor` may see, ranked on `task_id`, one row each; two queries.

    Of several results of one model the verified ones count before the others, and of those the best.
    `roots_only` leaves out models that name a base model. The caller has checked that the actor may see the
    benchmark's dataset; an unknown task has no rows.
    """
    task = task_of(benchmark, task_id)
    if task is None:
        return []
    higher = bool(task.get("higher_is_better", True))
    results = (
        EvalResult.objects.filter(
            Repo.objects.visible_to(actor).behind("repo"), benchmark=benchmark, task_id=task_id
        )
        .select_related("repo__namespace__organization", "repo__namespace__user")
        .order_by("date", "pk")
    )
    if roots_only:
        results = results.exclude(repo__in=BaseModelEdge.objects.values("child"))
    best: dict[int, EvalResult] = {}
    for result in results:
        held = best.get(result.repo_id)
        if held is None or _strength(result, higher) > _strength(held, higher):
            best[result.repo_id] = result
    ranked = rank(best.values(), value=lambda result: result.value, higher_is_better=higher)
    return [Row(place, result) for place, result in ranked]


@dataclass(frozen=True)
class Place:
    """Where a model stands, and with which value."""

    rank: int
    value: float
    verified: bool


def standing(benchmark: Benchmark, task_id: str) -> dict[int, Place]:
    """The places of all public models on a task by the keys of their repos; one query of plain values."""
    task = task_of(benchmark, task_id)
    if task is None:
        return {}
    higher = bool(task.get("higher_is_better", True))
    rows = EvalResult.objects.filter(benchmark=benchmark, task_id=task_id)
    rows = rows.filter(repo__private=False, repo__disabled_at=None).order_by("date", "pk")
    best: dict[int, tuple[int, float, bool]] = {}
    for key, value, verified in rows.values_list("repo_id", "value", "verified"):
        held = best.get(key)
        if held is None or (verified, value if higher else -value) > (
            held[2],
            held[1] if higher else -held[1],
        ):
            best[key] = (key, value, verified)
    ranked = rank(best.values(), value=lambda row: row[1], higher_is_better=higher)
    return {key: Place(place, value, verified) for place, (key, value, verified) in ranked}


def _strength(result: EvalResult, higher_is_better: bool) -> tuple[bool, float]:
    return result.verified, result.value if higher_is_better else -result.value
