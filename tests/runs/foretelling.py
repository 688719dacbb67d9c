"""Forecasts for tests: numbers as `training/preflight.py` measures them, told by `training/forecast.py`."""

from __future__ import annotations

import copy
from typing import Any

from training.forecast import Forecast

MB = 10**6


def measured(batch_size: int = 32, grad_accum_steps: int = 1, *, gpu: bool = False) -> dict[str, Any]:
    """Of a run whose step takes 200 MB and 10 MB a row: 520 MB at 32 rows; ten seconds an epoch."""
    whole = (200 + 10 * batch_size) * MB
    place = {
        "live": 200 * MB,
        "load": 100 * MB,
        "steps": whole,
        "validation": 210 * MB,
        "save": 220 * MB,
        "checkpoint": 220 * MB,
        "per_row": 10.0 * MB,
        "slope_measured": True,
        "of_learning": 0,
        "last_stage_share": None,
    }
    peaks = {"load": 100 * MB, "steps": whole, "run": whole, "checkpoint": whole}
    phase = {
        "epochs": None,
        "every": None,
        "load": 1.0,
        "features": 0.0,
        "steps_per_epoch": 50,
        "stages": [{"count": 1, "epoch_seconds": 10.0, "peak_process": whole, "peak_gpu": whole}],
        "validation": 1.0,
        "looks_before": 0,
        "save": 0.5,
        "checkpoint": 0.1,
        "peaks": {"process": peaks, "gpu": copy.deepcopy(peaks)},
    }
    memory: dict[str, Any] = {"process": place, "smallest_batch": 1}
    if gpu:
        memory["gpu"] = copy.deepcopy(place)
    given = {
        "task": "image-classification",
        "init": "pretrained",
        "strategy": "head",
        "batch_size": batch_size,
        "grad_accum_steps": grad_accum_steps,
        "image_size": None,
        "max_tokens": None,
        "mixed": False,
    }
    return {
        "at_most": False,
        "checkpoint_seconds": 10.0,
        "recipe": given,
        "phases": [phase],
        "memory": memory,
        "evaluate": 2.0,
        "notes": [],
    }


def forecast(epochs: int = 3, **given: Any) -> dict[str, Any]:
    """As a worker tells it: 35.5 seconds and 520 MB for three epochs of batches of 32."""
    return Forecast(measured(**given), epochs).as_dict()
