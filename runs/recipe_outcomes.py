"""What runs of a recipe came to: numbers that this hub measured itself, what they took, how many failed."""

from __future__ import annotations

import uuid as uuids
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from accounts.actor import Actor
from models_app.leaderboards import task_of
from models_app.models import Benchmark, EvalResult, Repo
from models_app.views.boards import board_address

MAX_RESULTS = 20_000
MAX_RUNS = 20_000


@dataclass(frozen=True)
class Measured:
    """One verified number with the bounds of its interval, where it has one."""

    value: float
    low: float | None
    high: float | None
    run: uuids.UUID | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        return None if self.low is None or self.high is None else (self.low, self.high)


@dataclass(frozen=True)
class Board:
    """One task of a benchmark."""

    benchmark: Benchmark
    task_id: str
    metric: str
    is_higher_better: bool

    @property
    def key(self) -> str:
        return f"{self.benchmark.repo.repo_id}#{self.task_id}"

    @property
    def title(self) -> str:
        return f"{self.benchmark.name or self.benchmark.repo.repo_id} · {self.task_id}"

    @property
    def address(self) -> str:
        return board_address(self.benchmark, self.task_id)


@dataclass(frozen=True)
class Outcome:
    """All verified numbers of one recipe on one board, the best one first."""

    board: Board
    results: list[Measured]

    @property
    def count(self) -> int:
        return len(self.results)

    @property
    def best(self) -> Measured:
        return self.results[0]

    @property
    def median(self) -> Measured:
        """Of an even number the worse of the two in the middle: a run that was, not a mean of two."""
        return self.results[len(self.results) // 2]

    @property
    def sure(self) -> tuple[bool, float]:
        """By this recipes are ranked on a board, larger is better: the end of the median run's interval that
        is the worse one. A number without an interval stands behind all that have one."""
        result, higher = self.median, self.board.is_higher_better
        bound = result.low if higher else result.high
        value = result.value if bound is None else bound
        return bound is not None, value if higher else -value


def boards_seen(actor: Actor, keys: Collection[tuple[int, str]]) -> dict[tuple[int, str], Board]:
    """The boards with these (benchmark, task) that the actor may see and that still have the task."""
    rows = Benchmark.objects.filter(
        pk__in={pk for pk, _task in keys}, repo__in=Repo.objects.visible_to(actor)
    ).select_related("repo__namespace")
    known = {row.pk: row for row in rows}
    found = {}
    for pk, task_id in keys:
        task = task_of(known[pk], task_id) if pk in known else None
        if task is not None:
            metric, higher = str(task.get("metric") or "accuracy"), bool(task.get("higher_is_better", True))
            found[pk, task_id] = Board(known[pk], task_id, metric, higher)
    return found


def outcome_of(board: Board, results: Iterable[Measured]) -> Outcome:
    """The numbers in their order."""
    ordered = sorted(results, key=lambda result: result.value, reverse=board.is_higher_better)
    return Outcome(board, ordered)


def outcomes_by_method(actor: Actor, fingerprints: Collection[str]) -> dict[str, list[Outcome]]:
    """For each fingerprint its outcomes, board by board: two queries, the newest 20,000 numbers."""
    rows = (
        EvalResult.objects.filter(
            verified=True,
            benchmark__isnull=False,
            repo__in=Repo.objects.visible_to(actor),
            repo__recipe__fingerprint__in=fingerprints,
        )
        .order_by("-pk")
        .values_list(
            "repo__recipe__fingerprint", "benchmark_id", "task_id", "value", "low", "high", "run_uuid"
        )[:MAX_RESULTS]
    )
    found: dict[tuple[str, int, str], list[Measured]] = defaultdict(list)
    for fingerprint, benchmark, task_id, value, low, high, run in rows:
        found[fingerprint, benchmark, task_id].append(Measured(value, low, high, run))
    boards = boards_seen(actor, {(benchmark, task_id) for _method, benchmark, task_id in found})
    outcomes: dict[str, list[Outcome]] = defaultdict(list)
    for (fingerprint, benchmark, task_id), results in found.items():
        if (benchmark, task_id) in boards:
            outcomes[fingerprint].append(outcome_of(boards[benchmark, task_id], results))
    return outcomes


def beaten(outcomes: dict[str, list[Outcome]]) -> dict[str, int]:
    """For each fingerprint how many others it beats, on the board where that are most."""
    by_board: dict[tuple[int, str], list[tuple[tuple[bool, float], str]]] = defaultdict(list)
    for fingerprint, found in outcomes.items():
        for outcome in found:
            key = (outcome.board.benchmark.pk, outcome.board.task_id)
            by_board[key].append((outcome.sure, fingerprint))
    best: dict[str, int] = {}
    for rows in by_board.values():
        for fingerprint, count in _worse_than(rows):
            best[fingerprint] = max(best.get(fingerprint, 0), count)
    return best


def _worse_than(rows: list[tuple[tuple[bool, float], str]]) -> Iterator[tuple[str, int]]:
    """How many are strictly worse than each."""
    ordered = sorted(rows)
    worse, before = 0, None
    for place, (sure, fingerprint) in enumerate(ordered):
        if sure != before:
            worse, before = place, sure
        yield fingerprint, worse
