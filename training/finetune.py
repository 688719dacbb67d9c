"""From a recipe to a finished model directory: prepare, learn in one phase or two, save."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from training import phases, sharding, stopping
from training.allocator import keep_freed_memory
from training.device import describe, pick_device, reproducible
from training.distributed import world
from training.errors import UserError
from training.loop import Run
from training.recipe import Recipe
from training.reporting import Reporter
from training.tasks import task_kind
from training.tasks.base import Plan, Prepared

CHECKPOINT = "checkpoint.safetensors"
# What a task keeps here does not fit in memory, and is of no use after the run.
SCRATCH = "scratch"


@dataclass(frozen=True)
class FinetuneResult:
    """`model_dir` holds what the task publishes: weights, config.json and how inputs are prepared.

    `metrics`: val/loss and the task's measures of the saved weights (empty without validation rows);
    `history`: one row an epoch; `seconds`: wall-clock time of this call.
    """

    model_dir: Path
    metrics: dict[str, float]
    history: list[dict[str, float]]
    labels: list[str]
    seconds: float


def finetune(
    recipe: Recipe,
    *,
    base_dir: Path | None,
    data_dir: Path,
    work_dir: Path,
    reporter: Reporter,
    cache_dir: Path | None = None,
    report_seconds: float = 0.5,
    checkpoint_seconds: float = 10.0,
    points: int | None = None,
    on_epoch: Callable[[stopping.Watched, float, int], None] | None = None,
    on_saved: Callable[[int], None] | None = None,
) -> FinetuneResult:
    """Fine-tune `base_dir` on `data_dir`; what is needed to go on after a kill lies under `work_dir`.

    Called again with the same recipe and files it resumes from the last checkpoint and ends with the weights
    the uninterrupted run would have had. `cache_dir` keeps frozen features for later runs (default: in
    `work_dir`). `points`: tell so many points of the curve, at steps that the recipe alone decides; None:
    every `report_seconds`. `on_epoch`: see `Plan`; `on_saved` hears the steps taken of every checkpoint that
    lies in `work_dir` then. Among several processes (see `distributed.joined`) all call this, and
    only the first one writes to `work_dir`. Raises `UserError`, and what `reporter.check` raises: `Canceled`,
    or `Interrupted` once a checkpoint is written.
    """
    began, together = time.monotonic(), world()
    sharding.require_possible(recipe, together)
    cache, model_dir = cache_dir or work_dir / "features", work_dir / "model"
    if not together.leads:
        # What lies in the run's own place is written by the first process alone.
        work_dir = work_dir / SCRATCH / f"process-{together.rank}"
    work_dir.mkdir(parents=True, exist_ok=True)
    device = pick_device()
    keep_freed_memory()
    try:
        with reproducible(recipe.seed, recipe.deterministic):
            reporter.stage("data")
            reporter.log(describe(device))
            if together.size > 1:
                reporter.log(f"{together.size} processes learn as one.")
            plan = Plan(recipe, base_dir, data_dir, work_dir, cache, device, reporter, on_epoch)
            pace = Pace(report_seconds, checkpoint_seconds, points, on_saved)
            prepared, metrics, history = _learn(plan, pace)
    except torch.OutOfMemoryError:
        text = "The GPU ran out of memory; choose a smaller base model or smaller inputs."
        raise UserError("train:out-of-memory", text) from None
    finally:
        shutil.rmtree(work_dir / SCRATCH, ignore_errors=True)
    reporter.stage("save")
    sharding.unshard(prepared.network.net)
    if together.leads:
        prepared.save(model_dir)
    return FinetuneResult(model_dir, metrics, history, prepared.task.labels, time.monotonic() - began)


@dataclass(frozen=True)
class Pace:
    """How often what is told and saved; see `finetune`."""

    report_seconds: float
    checkpoint_seconds: float
    points: int | None
    on_saved: Callable[[int], None] | None

    def begin(self, recipe: Recipe, prepared: Prepared, path: Path, reporter: phases.PhaseReporter) -> Run:
        """A phase of the run."""
        run = Run(recipe, prepared, path, reporter, self.report_seconds, self.checkpoint_seconds)
        run.points = self.points
        if (saved := self.on_saved) is not None:
            run.on_saved = lambda step: saved(reporter.before + step)
        return run


Learned = tuple[Prepared, dict[str, float], list[dict[str, float]]]


def _learn(plan: Plan, pace: Pace) -> Learned:
    """What was learned on, the metrics of the weights it ended with, and one row an epoch."""
    head: dict[str, Tensor] = {}
    before: list[dict[str, float]] = []
    reporter = phases.PhaseReporter(plan.reporter)
    if plan.recipe.strategy.kind == "lp-ft":
        head, before = _probe(plan, pace)
        reporter.before = int(before[-1]["step"])
    prepared = task_kind(plan.recipe.task).prepare(replace(plan, reporter=reporter))
    phases.load_head(prepared.network, head)
    run = pace.begin(plan.recipe, prepared, plan.work_dir / CHECKPOINT, reporter)
    run.on_epoch = plan.on_epoch
    reporter.stage("train")
    metrics, history = run.train()
    return prepared, metrics, phases.continued(history, before)


def _probe(plan: Plan, pace: Pace) -> tuple[dict[str, Tensor], list[dict[str, float]]]:
    """The head that LP-FT begins with, and the probe's rows; a finished probe is read from its checkpoint."""
    recipe = phases.probe_recipe(plan.recipe)
    reporter = phases.PhaseReporter(plan.reporter)
    prepared = task_kind(recipe.task).prepare(replace(plan, recipe=recipe, reporter=reporter))
    run = pace.begin(recipe, prepared, plan.work_dir / phases.PROBE_CHECKPOINT, reporter)
    reporter.after = run.steps_per_epoch * plan.recipe.optim.epochs
    reporter.stage("train")
    _, history = run.train()
    # A probe that was finished by an earlier attempt is not the newest that there is to keep.
    if run.saved_step != run.progress.step:
        run.save()
    return phases.head_state(prepared.network), history
