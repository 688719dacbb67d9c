"""What a sweep has found so far: runs as ranked rows, settings over their seeds, the best. Reads only."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from accounts.actor import Actor
from models_app.content.evals import lower_is_better
from models_app.models import Benchmark
from runs.models import Run, Stage, Sweep
from runs.progress import seconds_taken
from runs.sweep_access import runs_of_sweep
from training.axes import SEED, Point, key_of, values_at
from training.measured import metrics_of

# By which the rows of one sweep are counted, in the order in which pages tell them.
STAGES = (Stage.RUNNING, Stage.SCHEDULING, Stage.COMPLETED, Stage.ERROR, Stage.CANCELED)


@dataclass(frozen=True)
class Row:
    """One run: its value on each axis; `score` of the board's metric once it is measured. `is_best`: it is
    of the best setting."""

    run: Run
    values: Point
    score: float | None
    seconds: float | None
    is_best: bool = False

    @property
    def number(self) -> int:
        """As it stands behind the sweep's name in the name of its result."""
        return (self.run.sweep_index or 0) + 1

    @property
    def cells(self) -> list[Any]:
        """The values in the order of the axes."""
        return list(self.values.values())


@dataclass(frozen=True)
class Setting:
    """Runs that differ in their seed only; the standard deviation of fewer than two scores is None."""

    values: Point
    rows: list[Row]
    scores: list[float]
    is_best: bool = False

    @property
    def cells(self) -> list[Any]:
        return list(self.values.values())

    @property
    def n(self) -> int:
        return len(self.scores)

    @property
    def mean(self) -> float | None:
        return statistics.fmean(self.scores) if self.scores else None

    @property
    def sd(self) -> float | None:
        return statistics.stdev(self.scores) if len(self.scores) > 1 else None


@dataclass(frozen=True)
class Board:
    """Everything a page or an answer shows of a sweep. `metric` is empty while nothing is measured."""

    axes: list[str]
    metric: str
    higher_is_better: bool
    rows: list[Row]
    settings: list[Setting]
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def best(self) -> Setting | None:
        return next((setting for setting in self.settings if setting.is_best), None)

    @property
    def plain_metric(self) -> str:
        """The metric's own name, which says how its numbers are written."""
        return self.metric.removeprefix("val/")

    @property
    def setting_axes(self) -> list[str]:
        """What settings differ in: the axes without the seed."""
        return [name for name in self.axes if name != SEED]

    @property
    def total(self) -> int:
        return len(self.rows)

    @property
    def done(self) -> int:
        """Runs that have ended, however."""
        return sum(row.run.has_ended for row in self.rows)

    @property
    def is_over(self) -> bool:
        return self.done == self.total

    @property
    def has_seeds(self) -> bool:
        """Whether settings are repeated, so that means are told."""
        return SEED in self.axes


def state_of(actor: Actor, sweep: Sweep) -> str:
    """Changes exactly when what the page shows would."""
    columns = (
        "pk",
        "stage",
        "attempt",
        "progress_step",
        "progress_total",
        "result_oid",
        "cancel_requested_at",
    )
    rows = list(runs_of_sweep(actor, sweep).values_list(*columns))
    return f'"{hashlib.sha256(repr((rows, sweep.axes)).encode()).hexdigest()[:32]}"'


def board_of(actor: Actor, sweep: Sweep) -> Board:
    """The rows the actor may see, best first; then those still without a score, in the order of the queue."""
    axes = list(sweep.axes)
    runs = list(
        runs_of_sweep(actor, sweep).select_related("target_repo__namespace", "namespace", "created_by")
    )
    metric = _metric_of(runs)
    higher = _higher_is_better(runs, metric)
    rows = [_row(run, axes, metric) for run in runs]
    settings = _settings(rows, axes, higher)
    best = next((setting for setting in settings if setting.is_best), None)
    leading = {row.run.pk for row in best.rows if row.score is not None} if best else set()
    marked = [dataclasses.replace(row, is_best=row.run.pk in leading) for row in rows]
    marked.sort(key=lambda row: (_sinking(row.score, higher), row.run.sweep_index or 0))
    counts = Counter(str(run.stage) for run in runs)
    return Board(axes, metric, higher, marked, settings, {str(s): counts[s] for s in STAGES if counts[s]})


def _row(run: Run, axes: Sequence[str], metric: str) -> Row:
    return Row(run, values_at(run.recipe, axes), _score(run, metric), seconds_taken(run))


def _score(run: Run, metric: str) -> float | None:
    """On the benchmark where there is one, else on the validation part."""
    if run.stage != Stage.COMPLETED or not metric:
        return None
    if metric.startswith("val/"):
        value = _validated(run).get(metric)
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        return float(value) if is_number else None  # type: ignore[arg-type]
    score = run.score
    return score.value if score is not None and score.metric == metric else None


def _metric_of(runs: Sequence[Run]) -> str:
    """What most finished runs are told by: the benchmark's metric, else the task's first that validation
    measured, else the validation loss."""
    done = [run for run in runs if run.stage == Stage.COMPLETED]
    measured = Counter(run.score.metric for run in done if run.score is not None)
    if measured:
        return measured.most_common(1)[0][0]
    names = Counter(name for run in done for name in _validated(run))
    if not names:
        return ""
    task = str(done[0].recipe.get("task", ""))
    wanted = [f"val/{name}" for name in metrics_of(task, done[0].recipe.get("dataset"))]
    return next((name for name in [*wanted, "val/loss"] if name in names), names.most_common(1)[0][0])


def _validated(run: Run) -> Mapping[str, Any]:
    found = run.summary.get("metrics")
    return (
        {name: value for name, value in found.items() if name.startswith("val/")}
        if isinstance(found, dict)
        else {}
    )


def _higher_is_better(runs: Sequence[Run], metric: str) -> bool:
    """As the benchmark says; of other numbers, as their names do."""
    first = next((run for run in runs if run.benchmark_repo_id), None)
    if first is not None and not metric.startswith("val/"):
        board = Benchmark.objects.filter(repo=first.benchmark_repo_id).first()
        task_id = (first.recipe.get("benchmark") or {}).get("task_id")
        for task in board.tasks if board else []:
            if task.get("id") == task_id and task.get("metric") == metric:
                return bool(task.get("higher_is_better", True))
    return not lower_is_better(metric.removeprefix("val/"))


def _settings(rows: Sequence[Row], axes: Sequence[str], higher: bool) -> list[Setting]:
    """Rows of one setting together, best mean first; the best is looked for among those measured most often,
    so that one lucky seed does not win before the others have been run."""
    grouped: dict[str, list[Row]] = defaultdict(list)
    shown = [name for name in axes if name != SEED]
    for row in rows:
        grouped[key_of({name: row.values[name] for name in shown})].append(row)
    made = [
        Setting(
            {name: group[0].values[name] for name in shown},
            group,
            [row.score for row in group if row.score is not None],
        )
        for group in grouped.values()
    ]
    made.sort(key=lambda setting: _sinking(setting.mean, higher))
    most = max((setting.n for setting in made), default=0)
    best = next((setting for setting in made if setting.n == most and most), None)
    return [Setting(one.values, one.rows, one.scores, is_best=one is best) for one in made]


def _sinking(score: float | None, higher: bool) -> tuple[bool, float]:
    """Sorts the best first and what has no score last."""
    return score is None, 0.0 if score is None else -score if higher else score
