"""Trials of a search space, drawn and given up by Optuna, within a wall-clock budget that is kept."""

from __future__ import annotations

import itertools
import math
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.errors import UserError
from training.finetune import FinetuneResult, finetune
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


class Watch:
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

    def __init__(self, recipe: Recipe, spec: SearchSpec, runner: Runner, watch: Watch) -> None:
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
