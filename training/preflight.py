"""Foretells memory and time of a run from a few of its real steps, on the machine that would do it.

The task is prepared as `finetune` does it: the real base and rows, at the recipe's batch, size, precision and
strategy. A few optimizer steps, validation batches, one saving and one checkpoint are done and timed, and
what depends on the number of rows is scaled to all of them. Nothing that was learned is kept.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import torch

from training.device import describe, reproducible
from training.distributed import world
from training.errors import UserError
from training.forecast import Forecast
from training.preflight_look import Look, Preflight
from training.recipe import Recipe
from training.reporting import Reporter

# Of one preflight on a CPU, in seconds. Reading the list of a split's rows is not bounded by it.
SECONDS = 20.0
CACHED = "Features that an earlier run has left are used again: then the part `features` takes no time."
STOPS_EARLY = "Early stopping may end the run sooner: seconds are at most so many."


def foretell(
    recipe: Recipe,
    *,
    base_dir: Path | None,
    data_dir: Path,
    work_dir: Path,
    reporter: Reporter,
    cache_dir: Path | None = None,
    bench_dir: Path | None = None,
    seconds: float = SECONDS,
    checkpoint_seconds: float = 10.0,
) -> Forecast:
    """What `finetune` would need for this recipe here; `work_dir` is left as it was found.

    Give a process of its own: peaks are those of the whole process. `cache_dir` is neither read nor written:
    a run that finds its features there is foretold as one that does not. `bench_dir`: where the benchmark's
    rows are (None: the data set's own directory, if the recipe names the same repo). Raises `UserError` for
    what `prepare` refuses, `train:out-of-memory` where not even a preflight fits, and what `reporter.check`
    raises.
    """
    if world().size > 1:
        raise UserError("cli:alone", "A preflight is taken by one process: leave torchrun out.")
    work_dir.mkdir(parents=True, exist_ok=True)
    reporter.stage("preflight")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=".preflight-", dir=work_dir) as folder:
        flight = Preflight(recipe, base_dir, data_dir, Path(folder), reporter, seconds)
        try:
            with reproducible(recipe.seed, recipe.deterministic):
                looks = flight.looks()
                evaluate = flight.evaluation(looks[-1], bench_dir)
        except torch.OutOfMemoryError:
            text = "The GPU ran out of memory; choose a smaller base model or smaller inputs."
            raise UserError("train:out-of-memory", text) from None
    main = looks[-1]
    measured = {
        "device": describe(flight.device),
        "threads": torch.get_num_threads(),
        "took": round(time.monotonic() - began, 2),
        "at_most": bool(recipe.early_stopping.patience),
        "checkpoint_seconds": checkpoint_seconds,
        "rows": main.rows,
        "recipe": main.given,
        "phases": [look.phase for look in looks],
        "memory": main.memory | {"smallest_batch": main.smallest},
        "evaluate": evaluate,
        "notes": _notes(recipe, looks, evaluate),
    }
    return Forecast(measured, recipe.optim.epochs)


def _notes(recipe: Recipe, looks: list[Look], evaluate: float) -> list[str]:
    notes = []
    if recipe.early_stopping.patience:
        notes.append(STOPS_EARLY)
    if any(look.phase["features"] for look in looks):
        notes.append(CACHED)
    if recipe.benchmark is not None and not evaluate:
        notes.append("Measuring on the benchmark is not counted: its rows were not at hand.")
    return notes
