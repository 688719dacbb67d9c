"""One phase of a run, a little of it: prepared, learned from, validated and saved, in the order of a run."""

from __future__ import annotations

import gc
import math
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from training import phases
from training.allocator import keep_freed_memory
from training.device import pick_device
from training.errors import EngineError
from training.loop import Run
from training.preflight_evaluate import evaluation_seconds
from training.preflight_glance import Clock, Glance, TooSlow
from training.preflight_memory import Memory
from training.preflight_needs import given_of, needs_of, with_rows
from training.preflight_steps import Stride, validation_seconds
from training.recipe import Recipe
from training.reporting import Reporter
from training.tasks import task_kind
from training.tasks.base import Plan, Prepared

# Parts of a preflight's time: for decoding, for a frozen body, for steps, for validation.
LOAD_SHARE, BODY_SHARE, STEPS_SHARE, VALIDATION_SHARE = 0.1, 0.3, 0.3, 0.1
# Rows to look at where a frozen body was too slow for more; with the last no time is too long.
FEWER_ROWS: tuple[int | None, ...] = (None, 128, 48, 12)
# As many stages are measured where they learn one after the other.
STAGES = 3


@dataclass
class Look:
    """What was measured of one phase; see `Preflight.look`."""

    phase: dict[str, Any]
    memory: dict[str, dict[str, Any]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    given: dict[str, Any] = field(default_factory=dict)
    smallest: int = 1
    model_dir: Path | None = None


class Preflight:
    """The same steps for each phase of a recipe; `looks` has what was found."""

    def __init__(
        self,
        recipe: Recipe,
        base_dir: Path | None,
        data_dir: Path,
        folder: Path,
        reporter: Reporter,
        seconds: float,
    ) -> None:
        self.recipe, self.base_dir, self.data_dir = recipe, base_dir, data_dir
        self.folder, self.reporter, self.seconds = folder, reporter, seconds
        self.device = pick_device()
        keep_freed_memory()
        self.memory = Memory(self.device)

    def looks(self) -> list[Look]:
        """One for each phase: of LP-FT the probe comes first."""
        if self.recipe.strategy.kind != "lp-ft":
            return [self.look(self.recipe, probe=False)]
        first = self.look(phases.probe_recipe(self.recipe), probe=True)
        gc.collect()
        return [first, self.look(self.recipe, probe=False)]

    def look(self, recipe: Recipe, *, probe: bool) -> Look:
        """Prepare, step, validate and save, in the order of a run, so that memory grows as a run's does."""
        prepared, glance = self._prepared(recipe)
        clock = glance.clock
        run = Run(recipe, prepared, self.folder / "checkpoint.safetensors", clock, 0.5, math.inf)
        clock.stage("train")
        seconds = {name: glance.seconds_of(name) for name in ("load", "features")}
        peaks = {"load": self.memory.peak()}
        if not probe:
            self.reporter.log(f"prepared in {sum(seconds.values()):.1f} s, as far as a preflight goes")
        stride = Stride(run, glance.share_of(0))
        stages = self._stages(run, stride)
        peaks["steps"] = self.memory.peak()
        validation = validation_seconds(run, glance.share_of(1), VALIDATION_SHARE * self.seconds)
        if recipe.early_stopping.patience and run.prepared.val is not None:
            # The first epoch is the best so far: its weights are kept from here on.
            run._watch({f"val/{run.watched.name}": 0.0}, 0)
        save, model_dir = 0.0, self.folder / "model"
        if not probe:
            save = _seconds_of(lambda: prepared.save(model_dir))
        peaks["run"] = self.memory.peak()
        checkpoint = _seconds_of(run.save)
        peaks["checkpoint"] = self.memory.peak()
        found = Look(
            {
                "epochs": recipe.optim.epochs if probe else None,
                "every": recipe.strategy.unfreeze_every if recipe.strategy.kind == "gradual" else None,
                **seconds,
                "steps_per_epoch": stride.steps_per_epoch,
                "stages": stages,
                "validation": validation,
                "looks_before": int(recipe.early_stopping.metric is not None and prepared.val is not None),
                "save": save,
                "checkpoint": checkpoint,
                "peaks": with_rows(peaks, glance.bytes_missing),
            },
            model_dir=model_dir,
        )
        if not probe:
            found.rows = _rows_of(glance, prepared)
            found.given, found.smallest = given_of(recipe, prepared), run.stepper.micro.smallest
            found.memory = needs_of(
                self.memory, run, stride, peaks, glance.bytes_missing, self.folder / "model"
            )
        return found

    def evaluation(self, look: Look, bench_dir: Path | None) -> float:
        """Seconds of measuring the finished model on its benchmark; 0 where there is none at hand."""
        benchmark = self.recipe.benchmark
        if benchmark is None or look.model_dir is None:
            return 0.0
        if bench_dir is None and benchmark.repo == self.recipe.dataset.repo:
            bench_dir = self.data_dir
        if bench_dir is None:
            return 0.0
        found = evaluation_seconds(
            self.recipe, look.model_dir, bench_dir, self.folder / "few", self.reporter, self.seconds
        )
        peak = self.memory.peak()
        for where, memory in look.memory.items():
            memory["evaluate"] = peak[where]
        return found

    def _prepared(self, recipe: Recipe) -> tuple[Prepared, Glance]:
        cold = 0.0
        for most in FEWER_ROWS:
            clock = Clock(self.reporter, BODY_SHARE * self.seconds)
            clock.patient = most == FEWER_ROWS[-1]
            glance = Glance(clock, seconds=LOAD_SHARE * self.seconds, most=most)
            cache = self.folder / "features"
            plan = Plan(recipe, self.base_dir, self.data_dir, self.folder, cache, self.device, clock)
            try:
                prepared = task_kind(recipe.task).prepare(replace(plan, glance=glance))
            except TooSlow:
                # A run reads its libraries and files for the first time, as the first try has done.
                cold = max(cold, clock.spent.get("load", 0.0))
                gc.collect()
                continue
            clock.close()
            clock.spent["load"] = max(cold, clock.spent.get("load", 0.0))
            return prepared, glance
        raise EngineError("engine:preflight", "The preflight did not come to an end.")

    def _stages(self, run: Run, stride: Stride) -> list[dict[str, float]]:
        """Seconds of an epoch, and memory, by how many stages learn; one entry where all do at once."""
        counts = [len(run.stages)]
        if run.recipe.strategy.kind == "gradual":
            counts = sorted({round(1 + place * (counts[0] - 1) / (STAGES - 1)) for place in range(STAGES)})
        found = []
        for count in counts:
            run._unfreeze(count)
            cost = stride.measure(STEPS_SHARE * self.seconds / len(counts))
            peak = self.memory.peak()
            found.append(
                {
                    "count": count,
                    "epoch_seconds": stride.epoch_seconds(cost),
                    "peak_process": peak["process"] or 0,
                    "peak_gpu": peak["gpu"] or 0,
                }
            )
        return found


def _rows_of(glance: Glance, prepared: Prepared) -> dict[str, int]:
    """How many rows there are, and how many of them were looked at."""
    found = {}
    for index, (name, part) in enumerate((("train", prepared.train), ("validation", prepared.val))):
        looked = len(part) if part is not None else 0
        found[name] = round(looked * glance.share_of(index))
        found[f"{name}_looked_at"] = looked
    return found


def _seconds_of(action: Any) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began
