"""A recipe's `study`: search its fields within a wall-clock budget, then repeat the best by seed and fold."""

from __future__ import annotations

import itertools
import json
import math
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.errors import UserError
from training.finetune import FinetuneResult, finetune
from training.leaveone import leave_one_out_of
from training.recipe import Recipe, parse_recipe
from training.recipe_study import SearchSpec, Space, grid, grid_size, read_space, with_changes
from training.reporting import Reporter, SilentReporter
from training.stopping import Watched


@dataclass
class Trial:
    """One point of the search. `value` of the watched metric is None where the trial did not end; `score` is
    the same, turned so that larger is better."""

    changes: dict[str, Any]
    outcome: str = "ended early"
    value: float | None = None
    score: float = -math.inf
    epochs: int = 0
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        kept = {name: value for name, value in vars(self).items() if name != "score"}
        return {**kept, "seconds": round(self.seconds, 2)}


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


class Runner:
    """Runs of one recipe's family: they share files and the feature cache."""

    def __init__(self, base_dir: Path | None, data_dir: Path, out: Path, reporter: Reporter) -> None:
        self.base_dir, self.data_dir, self.out, self.reporter = base_dir, data_dir, out, reporter

    def run(
        self, recipe: Recipe, name: str, *, reporter: Reporter | None = None, on_epoch: Any = None
    ) -> FinetuneResult:
        """Fine-tune in a folder of its own."""
        return finetune(
            recipe,
            base_dir=self.base_dir,
            data_dir=self.data_dir,
            work_dir=self.out / name,
            cache_dir=self.out / "features",
            reporter=reporter or self.reporter,
            on_epoch=on_epoch,
        )


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
    watched = _Watch()
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


class _Watch:
    """Remembers what runs are judged by."""

    name, sign = "", 1.0

    def __call__(self, watched: Watched, value: float, epoch: int) -> None:
        self.name, self.sign = f"val/{watched.name}", watched.sign


class _Pruned(Exception):
    """This trial is behind the others."""


class _TimeIsUp(Exception):
    """The budget has ended in the middle of a trial."""


class Search:
    """Trials of a space, drawn and given up by Optuna, within the budget."""

    def __init__(self, recipe: Recipe, spec: SearchSpec, runner: Runner, watch: _Watch) -> None:
        self.recipe, self.spec, self.runner, self.watch = recipe, spec, runner, watch
        self.space: Space = read_space(recipe, spec.space)[0]
        self.deadline = time.monotonic() + spec.budget_minutes * 60
        self.trials: list[Trial] = []

    def run(self) -> list[Trial]:
        """All trials that were begun, in order."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(
            direction="maximize", sampler=self._sampler(optuna), pruner=self._pruner(optuna)
        )
        count = min(self.spec.trials, grid_size(self.space)) if self._is_grid else self.spec.trials
        points = list(itertools.islice(grid(self.space), count)) if self._is_grid else []
        if self._is_grid and count < grid_size(self.space):
            self.runner.reporter.log(
                f"Of {grid_size(self.space)} points of the grid, the first {count} are tried."
            )
        for number in range(count):
            if time.monotonic() >= self.deadline:
                self.runner.reporter.log(f"The budget ended after {number} of {count} trials.")
                break
            drawn = study.ask()
            changes = points[number] if self._is_grid else self._draw(drawn)
            trial = Trial(changes)
            self.trials.append(trial)
            state = self._carry_out(trial, drawn, f"trial {number + 1} of {count}", optuna.trial.TrialState)
            study.tell(drawn, trial.score if state == optuna.trial.TrialState.COMPLETE else None, state)
        return self.trials

    @property
    def _is_grid(self) -> bool:
        return self.spec.method == "grid"

    def _sampler(self, optuna: Any) -> Any:
        seed = self.recipe.seed
        if self.spec.method == "tpe":
            return optuna.samplers.TPESampler(seed=seed)
        return optuna.samplers.RandomSampler(seed=seed)

    def _pruner(self, optuna: Any) -> Any:
        if self.spec.method != "halving":
            return optuna.pruners.NopPruner()
        return optuna.pruners.SuccessiveHalvingPruner(
            min_resource=self.spec.min_epochs, reduction_factor=self.spec.reduction
        )

    def _draw(self, trial: Any) -> dict[str, Any]:
        drawn: dict[str, Any] = {}
        for name, values in self.space.items():
            if isinstance(values, list):
                drawn[name] = trial.suggest_categorical(name, values)
            elif isinstance(values.low, int) and isinstance(values.high, int):
                drawn[name] = trial.suggest_int(name, values.low, values.high, log=values.log)
            else:
                drawn[name] = trial.suggest_float(name, values.low, values.high, log=values.log)
        return drawn

    def _carry_out(self, trial: Trial, drawn: Any, title: str, states: Any) -> Any:
        began, said = time.monotonic(), ", ".join(f"{name} {value}" for name, value in trial.changes.items())
        folder = f"trial-{len(self.trials)}"

        def heard(watched: Watched, value: float, epoch: int) -> None:
            self.watch(watched, value, epoch)
            trial.epochs = epoch + 1
            drawn.report(value, epoch + 1)
            if drawn.should_prune():
                raise _Pruned

        reporter = _Timed(self.runner.reporter, self.deadline)
        state = states.FAIL
        try:
            changed = parse_recipe(with_changes(self.recipe.as_dict(), trial.changes))
            result = self.runner.run(changed, folder, reporter=reporter, on_epoch=heard)
            trial.outcome, state = "finished", states.COMPLETE
            trial.value = result.metrics[self.watch.name]
            trial.score = self.watch.sign * trial.value
        except _Pruned:
            trial.outcome, state = "given up", states.PRUNED
        except _TimeIsUp:
            trial.outcome = "out of time"
        except UserError as error:  # one bad point, such as a rate that diverges, is an answer too
            trial.outcome = error.message
        trial.seconds = time.monotonic() - began
        shutil.rmtree(self.runner.out / folder, ignore_errors=True)
        shown = f"{trial.value:.5g}" if trial.value is not None else trial.outcome
        self.runner.reporter.log(f"{title}: {said}: {shown}")
        return state


class _Timed(SilentReporter):
    """Passes on whether to stop, and stops at the deadline itself; trials are told of by the study."""

    def __init__(self, inner: Reporter, deadline: float) -> None:
        self.inner, self.deadline = inner, deadline

    def check(self) -> None:
        self.inner.check()
        if time.monotonic() >= self.deadline:
            raise _TimeIsUp


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
