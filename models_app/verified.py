"""Verified results, and the places they take among themselves: what profiles show and badges rest on.

Claims that no run of this hub has measured are not counted here, so nobody loses a place to one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet

from accounts.actor import Actor
from accounts.models import Namespace
from models_app.content.evals import rank
from models_app.leaderboards import task_of
from models_app.models import Benchmark, EvalResult, Repo

# Boards of one owner whose places are looked up, the newest results first.
MAX_BOARDS = 20
MAX_RESULTS = 2000


@dataclass(frozen=True)
class Standing:
    """One verified result and its place among all verified ones of its board's task."""

    result: EvalResult
    place: int
    of: int

    @property
    def repo(self) -> Repo:
        return self.result.repo

    @property
    def board(self) -> Benchmark:
        assert self.result.benchmark is not None
        return self.result.benchmark

    @property
    def metric(self) -> str:
        return str((task_of(self.board, self.result.task_id) or {}).get("metric") or "accuracy")

    @property
    def board_address(self) -> str:
        return f"/leaderboards/{self.board.repo.repo_id}?{urlencode({'task': self.result.task_id})}"

    @property
    def run_address(self) -> str:
        return f"/runs/{self.result.run_uuid}" if self.result.run_uuid else ""


def verified_results(actor: Actor) -> QuerySet[EvalResult]:
    """Verified results on boards, of models and boards that the actor may see."""
    seen = Repo.objects.visible_to(actor)
    rows = EvalResult.objects.filter(verified=True, benchmark__isnull=False)
    return rows.filter(seen.behind("repo"), seen.behind("benchmark__repo"))


def standings(rows: Iterable[EvalResult]) -> dict[int, Standing]:
    """Of every model its best result on each board's task, by the result's key, with its place."""
    boards: dict[tuple[int, str], dict[int, EvalResult]] = defaultdict(dict)
    for row in rows:
        task = _task(row)
        if task is None or row.benchmark_id is None:
            continue
        best = boards[row.benchmark_id, row.task_id]
        held = best.get(row.repo_id)
        if held is None or _is_better(row, held, task):
            best[row.repo_id] = row
    found: dict[int, Standing] = {}
    for best in boards.values():
        task = _task(next(iter(best.values()))) or {}
        higher = bool(task.get("higher_is_better", True))
        for place, row in rank(best.values(), value=lambda one: one.value, higher_is_better=higher):
            found[row.pk] = Standing(row, place, len(best))
    return found


def standings_of(owner: Namespace, actor: Actor) -> list[Standing]:
    """The owner's verified results as far as the actor may see them, the best places first; a few queries
    however many there are."""
    seen = verified_results(actor)
    mine = seen.filter(repo__namespace=owner).order_by("-date", "-pk")
    boards = list(dict.fromkeys(mine.values_list("benchmark_id", flat=True)[:MAX_RESULTS]))[:MAX_BOARDS]
    rows = seen.filter(benchmark__in=boards).select_related("repo__namespace", "benchmark__repo__namespace")
    found = standings(rows.order_by("date", "pk"))
    lines = [line for line in found.values() if line.repo.namespace_id == owner.pk]
    return sorted(lines, key=lambda line: (line.place, -line.of, line.repo.name))


def _task(row: EvalResult) -> dict[str, Any] | None:
    return task_of(row.benchmark, row.task_id) if row.benchmark is not None else None


def _is_better(row: EvalResult, held: EvalResult, task: dict[str, Any]) -> bool:
    return row.value > held.value if task.get("higher_is_better", True) else row.value < held.value
