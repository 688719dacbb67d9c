"""The memory that each part of a run needs by itself, and each row of a batch: what advice comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from training import precision
from training.loop import Run
from training.preflight_memory import Memory, Reading
from training.preflight_steps import First, Stride
from training.recipe import Recipe
from training.tasks.base import Prepared


def needs_of(
    memory: Memory, run: Run, stride: Stride, peaks: dict[str, Reading], missing: float, folder: Path
) -> dict[str, dict[str, Any]]:
    """By place (`process`, `gpu`): what each part of a run needs by itself, and each row of a batch."""
    prepared, batch = run.prepared, run.recipe.optim.batch_size
    run.optimizer.zero_grad(set_to_none=True)
    memory.during(lambda: None)
    readings = {"live": memory.now()}
    if prepared.val is not None:
        val = First(prepared.val, run.validator.size)
        readings["validation"] = memory.during(lambda: run.validator.measure(val))
    readings["checkpoint"] = memory.during(run.save)
    readings["save"] = memory.during(lambda: prepared.save(folder))
    half = None
    if batch // 2 >= run.stepper.micro.smallest and run.head_step is None and memory.resettable:
        run.stepper.micro.size = batch // 2
        half = memory.during(lambda: stride.take(stride.longest))
        run.stepper.micro.size = batch
        readings["whole"] = memory.during(lambda: stride.take(stride.longest))
    found = {}
    for where in ("process", "gpu"):
        if peaks["steps"][where] is None:
            continue
        rest = missing if where == "process" else 0.0
        own: dict[str, Any] = {name: (reading[where] or 0) + rest for name, reading in readings.items()}
        own |= {"load": (peaks["load"][where] or 0) + rest, "steps": (peaks["steps"][where] or 0) + rest}
        own["validation"] = own.get("validation", own["live"])
        whole = own.pop("whole", own["steps"])
        if half is not None:
            by_row = (whole - (half[where] or 0) - rest) / (batch - batch // 2)
        else:
            by_row = (whole - own["live"]) / batch
        own |= {"per_row": max(0.0, by_row), "slope_measured": half is not None}
        own |= _of_learning(run)
        found[where] = own
    return found


def _of_learning(run: Run) -> dict[str, float | None]:
    """Bytes of gradients and moments, and the share of them that the last stage and the head have."""
    known = dict(run.prepared.network.net.named_parameters())
    sizes = [sum(known[name].nbytes for name in stage) for stage in run.stages]
    moments = sum(
        value.nbytes
        for state in run.optimizer.state.values()
        for value in state.values()
        if isinstance(value, torch.Tensor)
    )
    body, last = sum(sizes), sum(sizes[-2:])
    return {"of_learning": body + moments, "last_stage_share": last / body if body else None}


def given_of(recipe: Recipe, prepared: Prepared) -> dict[str, Any]:
    """What of the recipe, and of what it leaves to the base, decides about memory."""
    data: Any = recipe.dataset
    spec = getattr(prepared.network, "spec", None)
    side = getattr(data, "image_size", None) or getattr(spec, "image_size", None)
    chosen = precision.choose(recipe.precision, prepared.device, prepared.learner)
    return {
        "task": recipe.task,
        "init": recipe.init,
        "strategy": recipe.strategy.kind,
        "batch_size": recipe.optim.batch_size,
        "grad_accum_steps": recipe.optim.grad_accum_steps,
        "image_size": side,
        "max_tokens": getattr(data, "max_tokens", None),
        "mixed": chosen.mixed,
    }


def with_rows(peaks: dict[str, Reading], missing: float) -> dict[str, dict[str, int]]:
    """Peaks by place, with the memory of the rows that were not looked at."""
    found: dict[str, dict[str, int]] = {}
    for where in ("process", "gpu"):
        more = missing if where == "process" else 0.0
        found[where] = {name: int((reading[where] or 0) + more) for name, reading in peaks.items()}
    return found
