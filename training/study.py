"""A recipe's `study`: search its fields within a wall-clock budget, then repeat the best by seed and fold."""

from __future__ import annotations

import json
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.errors import UserError
from training.leaveone import leave_one_out_of
from training.recipe import Recipe, parse_recipe
from training.recipe_study import with_changes
from training.reporting import Reporter
from training.search import Runner, Search, Trial, Watch


@dataclass
class Repeat:
    """One run of the best recipe, measured on its validation part and, where there is one, the benchmark."""

    seed: int
    fold: int | None
    metrics: dict[str, float]
    benchmark: dict[str, float] = field(default_factory=dict)


@dataclass
class Study:
    """What a study found. `metric` is what it was judged by; `model_dir` the first repeat's model."""

    recipe: Recipe
    metric: str
    trials: list[Trial]
    repeats: list[Repeat]
    model_dir: Path
    seconds: float
    leave_one_out: dict[str, float] | None = None

    def summary(self) -> dict[str, dict[str, float]]:
        """Mean and sample standard deviation of every number over the repeats."""
        rows = [
            {**repeat.metrics, **{f"benchmark/{name}": value for name, value in repeat.benchmark.items()}}
            for repeat in self.repeats
        ]
        names = [name for name in rows[0] if all(name in row for row in rows)]
        return {name: mean_and_spread([row[name] for row in rows]) for name in names}


def mean_and_spread(values: list[float]) -> dict[str, float]:
    """`mean`, `std` (n - 1 in the denominator, 0 of a single value), `min`, `max`, `n`."""
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return {
        "mean": statistics.fmean(values), "std": spread, "min": min(values), "max": max(values),
        "n": len(values),
    }  # fmt: skip


Measure = Callable[[Recipe, Path], dict[str, float]]


def run_study(
    recipe: Recipe,
    *,
    base_dir: Path | None,
    data_dir: Path,
    out: Path,
    reporter: Reporter,
    measure: Measure | None = None,
) -> Study:
    """Carry out `recipe.study`; `out/study.json` holds everything measured, `out/model-0` the first model.

    `measure(recipe, model_dir)`: the benchmark's numbers of a model. Raises what `finetune` raises;
    `UserError` `study:no-result` where the budget ended before the first trial did.
    """
    began = time.monotonic()
    spec = recipe.study
    if spec is None:
        raise UserError("study:none", "The recipe has no study section, which says what to search or repeat.")
    runner = Runner(base_dir, data_dir, out, reporter)
    watched = Watch()
    trials = Search(recipe, spec.search, runner, watched).run() if spec.search else []
    best = _best(recipe, trials)
    repeats: list[Repeat] = []
    for seed, fold in _repeats(best, spec.seeds, spec.folds):
        reporter.log(f"seed {seed}" + (f", fold {fold + 1} of {spec.folds}" if fold is not None else ""))
        changed = with_changes(best.as_dict(), {"seed": seed, **_fold(spec.folds, fold)})
        again = parse_recipe(changed)
        result = runner.run(again, f"repeat-{len(repeats)}", on_epoch=watched)
        numbers = measure(again, result.model_dir) if measure else {}
        repeats.append(Repeat(seed, fold, result.metrics, numbers))
        if len(repeats) > 1:
            shutil.rmtree(out / f"repeat-{len(repeats) - 1}", ignore_errors=True)
    model_dir = out / "repeat-0" / "model"
    left_out = None
    if spec.leave_one_out:
        left_out = leave_one_out_of(best, base_dir=base_dir, data_dir=data_dir, out=out, reporter=reporter)
    seconds = time.monotonic() - began
    study = Study(best, watched.name, trials, repeats, model_dir, seconds, left_out)
    (out / "study.json").write_text(json.dumps(as_json(study), indent=2) + "\n", encoding="utf-8")
    return study


def as_json(study: Study) -> dict[str, Any]:
    """Everything of a study in plain types."""
    return {
        "recipe": study.recipe.as_dict(),
        "metric": study.metric,
        "seconds": round(study.seconds, 2),
        "summary": study.summary(),
        "leave_one_out": study.leave_one_out,
        "trials": [trial.as_dict() for trial in study.trials],
        "repeats": [vars(repeat) for repeat in study.repeats],
    }


def _best(recipe: Recipe, trials: list[Trial]) -> Recipe:
    """The recipe of the best finished trial, without its study; itself where nothing was searched."""
    plain = recipe.as_dict()
    if recipe.study is None or recipe.study.search is None:
        return parse_recipe(with_changes(plain, {}))
    done = [trial for trial in trials if trial.value is not None]
    if not done:
        reasons = "; ".join(sorted({trial.outcome for trial in trials}))[:400] or "the budget ended first"
        raise UserError("study:no-result", f"No trial of the search came to its end: {reasons}.")
    # The first of equals: a search repeated is a search with the same answer.
    best = max(done, key=lambda trial: trial.score)
    return parse_recipe(with_changes(plain, best.changes))


def _repeats(recipe: Recipe, seeds: int, folds: int | None) -> Iterator[tuple[int, int | None]]:
    for number in range(seeds):
        for fold in range(folds) if folds else (None,):
            yield recipe.seed + number, fold


def _fold(folds: int | None, fold: int | None) -> dict[str, Any]:
    return {"dataset.folds": folds, "dataset.fold": fold} if fold is not None else {}
