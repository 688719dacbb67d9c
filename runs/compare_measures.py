"""What was measured of several runs, and which of them did better: only where they were measured alike."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models_app.content.evals import lower_is_better
from runs.evaluations import Score, other_scores, score_of
from runs.models import Run

# Numbers of which neither more nor less is better.
_NEUTRAL = ("coverage", "cold_rows", "cold_users", "covered_items", "words_behind_the_cut")


@dataclass(frozen=True)
class Cell:
    """A measured number, or None; `is_best` among the runs of its row."""

    score: Score | None
    is_best: bool = False


@dataclass(frozen=True)
class Measure:
    """One metric over all runs. `is_close`: the interval of another run reaches into the best one's."""

    metric: str
    cells: list[Cell]
    is_lower_better: bool
    is_close: bool = False


def measures_of(runs: Sequence[Run]) -> list[Measure]:
    """What the benchmark measured, the ranked number first. The better one is marked only where all runs were
    measured on the same rows."""
    by_run = [_scores(run) for run in runs]
    names = list(dict.fromkeys(name for scores in by_run for name in scores))
    is_fair = same_benchmark(runs)
    return [_measure(name, [scores.get(name) for scores in by_run], is_fair) for name in names]


def validation_of(runs: Sequence[Run]) -> list[Measure]:
    """The validation numbers of the published weights, marked where all learned from the same data."""
    by_run = [_validated(run) for run in runs]
    names = list(dict.fromkeys(name for scores in by_run for name in scores))
    is_fair = same_validation(runs)
    return [_measure(name, [scores.get(name) for scores in by_run], is_fair) for name in names]


def same_validation(runs: Sequence[Run]) -> bool:
    """Whether all were validated on the same rows."""
    return len({_data(run) for run in runs}) == 1


def same_benchmark(runs: Sequence[Run]) -> bool:
    """Whether all were measured on the same rows."""
    return (
        len({(run.benchmark_oid, _task_of_board(run)) for run in runs if run.summary.get("evaluation")}) <= 1
    )


def _scores(run: Run) -> dict[str, Score]:
    evaluation = run.summary.get("evaluation") or {}
    first = score_of(evaluation, run.ranked_by)
    found = [*([first] if first else []), *other_scores(evaluation, run.ranked_by)]
    return {score.metric: score for score in found}


def _validated(run: Run) -> dict[str, Score]:
    told = run.summary.get("metrics")
    if not isinstance(told, Mapping):
        return {}
    numbers = {
        str(name).removeprefix("val/"): value
        for name, value in told.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }
    return {name: Score(name, float(value)) for name, value in numbers.items()}


def _measure(metric: str, scores: list[Score | None], is_fair: bool) -> Measure:
    sign = -1 if lower_is_better(metric) else 1
    known = [score for score in scores if score is not None]
    marks = is_fair and len(known) > 1 and metric not in _NEUTRAL
    best = max((sign * score.value for score in known), default=math.nan)
    # Where all are equal nobody is better.
    marks = marks and any(sign * score.value < best for score in known)
    cells = [Cell(score, marks and score is not None and sign * score.value == best) for score in scores]
    return Measure(metric, cells, sign < 0, marks and _is_close(cells))


def _is_close(cells: list[Cell]) -> bool:
    tops = [cell.score.interval for cell in cells if cell.score is not None and cell.is_best]
    rest = [cell.score.interval for cell in cells if cell.score is not None and not cell.is_best]
    return any(
        top is not None and other is not None and top[0] <= other[1] and other[0] <= top[1]
        for top in tops
        for other in rest
    )


def _task_of_board(run: Run) -> tuple[str, str]:
    board = run.recipe.get("benchmark") or {}
    return str(board.get("task_id", "")), str(board.get("split", ""))


def _data(run: Run) -> tuple[str, str]:
    """What validation rows a run has: the data, how they are split, and the seed that draws them."""
    data = run.recipe.get("dataset") or {}
    names = ("train_split", "validation_split", "validation_fraction", "max_train_images", "max_rows")
    kept = {name: data.get(name) for name in names}
    seed = None if data.get("validation_split") else run.recipe.get("seed")
    return run.dataset_oid, repr((kept, seed))
