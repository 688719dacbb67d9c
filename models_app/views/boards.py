"""Reads behind leaderboards and result boxes, shared by several pages."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.db.models import Q

from models_app.content.differences import difference
from models_app.content.evals import wilson
from models_app.leaderboards import leaderboard, task_of
from models_app.models import BaseModelEdge, Benchmark, EvalResult, Repo, RepoCard, RepoTag

if TYPE_CHECKING:
    from accounts.actor import Actor

PROPORTIONS = ("accuracy", "acc")
# Runs that start from random weights tag their result with it.
BASELINE_TAG = "from-scratch"


@dataclass(frozen=True)
class BoardSummary:
    """A benchmark in a list: its first task, how many models were measured on it, and the best of them."""

    benchmark: Benchmark
    task: dict[str, Any]
    count: int = 0
    best: EvalResult | None = None

    @property
    def address(self) -> str:
        return board_address(self.benchmark)


@dataclass(frozen=True)
class ResultLine:
    """One measured number of a model, with the board it stands on (None: elsewhere)."""

    result: EvalResult
    metric: str
    board: str | None
    interval: tuple[float, float] | None


def board_address(benchmark: Benchmark, task_id: str = "") -> str:
    """The page of a benchmark's leaderboard."""
    return f"/leaderboards/{benchmark.repo.repo_id}" + (f"?{urlencode({'task': task_id})}" if task_id else "")


def listed_benchmarks(actor: Actor, query: str = "") -> list[Benchmark]:
    """Benchmarks the staff list, whose dataset the actor may see; the one measured last comes first."""
    seen = Benchmark.objects.filter(Repo.objects.visible_to(actor).behind("repo"), is_listed=True)
    for word in query.split()[:5]:
        named = Q(name__icontains=word) | Q(repo__name__icontains=word)
        seen = seen.filter(named | Q(repo__namespace__name__icontains=word))
    return list(seen.select_related("repo__namespace").order_by("-repo__last_modified", "-pk"))


def summaries(benchmarks: list[Benchmark], actor: Actor) -> list[BoardSummary]:
    """Each benchmark's first task with its best visible result; one query a benchmark."""
    return [_summary(benchmark, benchmark.tasks[0], actor) for benchmark in benchmarks if benchmark.tasks]


def _summary(benchmark: Benchmark, task: dict[str, Any], actor: Actor) -> BoardSummary:
    rows = leaderboard(benchmark, str(task["id"]), actor)
    return BoardSummary(benchmark, task, len(rows), rows[0].result if rows else None)


def results_of(repo: Repo, actor: Actor) -> list[ResultLine]:
    """A model's own results, with links to the boards the actor may see."""
    rows = (
        EvalResult.objects.filter(repo=repo)
        .select_related("benchmark__repo__namespace")
        .order_by("dataset_id", "task_id")
    )
    seen = set(
        Repo.objects.visible_to(actor).filter(benchmark__results__in=rows).values_list("pk", flat=True)
    )
    return [_line(row, seen) for row in rows]


def _line(row: EvalResult, seen: Iterable[int]) -> ResultLine:
    metric, board = "", None
    if row.benchmark is not None:
        task = task_of(row.benchmark, row.task_id)
        metric = str(task.get("metric", "")) if task else ""
        board = board_address(row.benchmark, row.task_id) if row.benchmark.repo_id in seen else None
    return ResultLine(row, metric, board, interval_of(row, metric))


def interval_of(row: EvalResult, metric: str) -> tuple[float, float] | None:
    """The 95 % interval that the run measured, or else of a proportion of counted examples Wilson's."""
    if row.low is not None and row.high is not None:
        return row.low, row.high
    if metric not in PROPORTIONS or not row.count or not 0 <= row.value <= 1:
        return None
    return wilson(row.value * row.count, row.count)


@dataclass(frozen=True)
class BoardRow:
    """One line of a leaderboard. `low`, `high`, `at` place the interval on an axis of 0 to 100."""

    rank: int
    result: EvalResult
    interval: tuple[float, float] | None
    base: str
    base_repo: Repo | None
    is_baseline: bool
    parameters: int | None = None
    license: str = ""
    # Whether its interval and the leader's leave open which of the two is better.
    is_tied: bool = False
    low: float = 0
    high: float = 0
    at: float = 0

    @property
    def repo(self) -> Repo:
        return self.result.repo

    @property
    def run_address(self) -> str:
        """The run that measured it; only a verified result may name one."""
        return f"/runs/{self.result.run_uuid}" if self.result.verified and self.result.run_uuid else ""


def board_rows(benchmark: Benchmark, task: dict[str, Any], actor: Actor) -> list[BoardRow]:
    """The ranking on one task with what the page says beside each number; three more queries."""
    rows = leaderboard(benchmark, str(task["id"]), actor)
    keys = [row.repo.pk for row in rows]
    bases = _bases(keys, actor)
    tagged = RepoTag.objects.filter(repo__in=keys, kind="tag", value=BASELINE_TAG)
    baselines = set(tagged.values_list("repo", flat=True))
    cards = RepoCard.objects.filter(repo__in=keys).values_list("repo", "parameters", "license")
    facts = {key: (parameters, licence) for key, parameters, licence in cards}
    metric = str(task.get("metric", ""))
    lines = [
        BoardRow(
            rank=row.rank,
            result=row.result,
            interval=interval_of(row.result, metric),
            base=bases[row.repo.pk][0] if row.repo.pk in bases else "",
            base_repo=bases[row.repo.pk][1] if row.repo.pk in bases else None,
            is_baseline=row.repo.pk in baselines,
            parameters=facts.get(row.repo.pk, (None, ""))[0],
            license=facts.get(row.repo.pk, (None, ""))[1],
        )
        for row in rows
    ]
    return _placed(_tied(lines))


def _tied(lines: list[BoardRow]) -> list[BoardRow]:
    """Marks who cannot be told from the leader: the interval of the difference holds nought."""
    first = next((line for line in lines if line.interval), None)
    if first is None or lines[0] is not first or first.interval is None:
        return lines
    marked = [first]
    for line in lines[1:]:
        is_tied = False
        if line.interval is not None:
            _gap, bounds = difference(line.result.value, line.interval, first.result.value, first.interval)
            is_tied = bounds[0] <= 0 <= bounds[1]
        marked.append(dataclasses.replace(line, is_tied=is_tied))
    return marked


def _bases(children: list[int], actor: Actor) -> dict[int, tuple[str, Repo | None]]:
    """What each model names as its (first) base, and that repo where the actor may see it."""
    edges = list(BaseModelEdge.objects.filter(child__in=children).order_by("-pk"))
    seen = Repo.objects.visible_to(actor).select_related("namespace")
    parents = {
        repo.pk: repo for repo in seen.filter(pk__in=[edge.parent_id for edge in edges if edge.parent_id])
    }
    return {edge.child_id: (edge.parent_repo_id, parents.get(edge.parent_id or 0)) for edge in edges}


def _placed(lines: list[BoardRow]) -> list[BoardRow]:
    """The intervals on one common axis that begins a little below the lowest of them."""
    ends = [end for line in lines if line.interval for end in line.interval]
    if not ends:
        return lines
    low, high = min(ends), max(ends)
    span = (high - low) or 1

    def place(value: float) -> float:
        return round(2 + 96 * (value - low) / span, 2)

    return [
        dataclasses.replace(
            line, low=place(line.interval[0]), high=place(line.interval[1]), at=place(line.result.value)
        )
        if line.interval
        else line
        for line in lines
    ]
