"""A forecast as a worker tells it (`training/forecast.py`), read strictly: it is computed with ever after."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from training.forecast import Forecast, fit

MAX_JSON_BYTES = 48 * 1024
MAX_DEPTH = 10
MAX_NUMBER = 2**53
MAX_TEXT = 500
MAX_EPOCHS = 1000
MAX_BYTES = 2**50
MAX_SECONDS = 10.0**9


class NoForecast(Exception):
    """What was sent is not a forecast; the text says why."""


def checked(plain: Any, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The forecast for this recipe, computed anew from what was measured. Raises NoForecast.

    Nothing of it is believed but the measurements: a worker may be anybody's.
    """
    if not isinstance(plain, Mapping):
        raise NoForecast("summary.forecast must be an object.")
    _check_plain(plain)
    if len(json.dumps(plain)) > MAX_JSON_BYTES:
        raise NoForecast(f"summary.forecast must be at most {MAX_JSON_BYTES // 1024} KiB.")
    try:
        _check_sizes(plain["measured"], recipe)
        found = scaled(plain, recipe)
    except NoForecast:
        raise
    except Exception:  # measurements of any shape: what cannot be computed with is none
        raise NoForecast("summary.forecast.measured is not what a measured step tells.") from None
    _check_result(found)
    return found


def scaled(plain: Mapping[str, Any], recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A checked forecast for a recipe of the same shape and its own epochs."""
    forecast = Forecast.from_dict(plain).for_recipe(recipe)
    for where, peak in (("process", True), ("gpu", forecast.gpu_peak_memory_bytes)):
        if peak is not None:
            fit(forecast, 1, where=where)
    return forecast.as_dict()


def _check_plain(value: Any, depth: int = 0) -> None:
    """Of JSON's own values, none too large to be computed with."""
    if depth > MAX_DEPTH:
        raise NoForecast("summary.forecast is nested too deeply.")
    if isinstance(value, Mapping):
        _check_epochs(value.get("epochs"))
        for item in value.values():
            _check_plain(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check_plain(item, depth + 1)
    elif isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise NoForecast(f"A text of summary.forecast is longer than {MAX_TEXT} characters.")
    elif isinstance(value, int | float) and not (math.isfinite(value) and abs(value) <= MAX_NUMBER):
        raise NoForecast("A number of summary.forecast is out of bounds.")


def _check_epochs(value: Any) -> None:
    """They are counted through one by one."""
    if value is not None and not (_is_whole(value) and 0 <= value <= MAX_EPOCHS):
        raise NoForecast(f"epochs of summary.forecast must be whole numbers of at most {MAX_EPOCHS}.")


def _check_sizes(measured: Mapping[str, Any], recipe: Mapping[str, Any]) -> None:
    """Of the recipe that was asked about: batches are halved from there."""
    optim, told = recipe["optim"], measured["recipe"]
    for name in ("batch_size", "grad_accum_steps"):
        if told[name] != optim[name]:
            raise NoForecast(f"summary.forecast was measured with another {name} than the recipe's.")
    least = measured["memory"]["smallest_batch"]
    if not _is_whole(least) or not 1 <= least <= optim["batch_size"]:
        raise NoForecast("summary.forecast.measured has no smallest batch.")


def _check_result(found: Mapping[str, Any]) -> None:
    gpu = found["gpu_peak_memory_bytes"]
    sizes = [found["peak_memory_bytes"], *([] if gpu is None else [gpu])]
    if not all(_is_whole(size) and 0 < size <= MAX_BYTES for size in sizes):
        raise NoForecast("summary.forecast tells a memory that cannot be.")
    seconds = [found["seconds"], *found["parts"].values()]
    if not all(math.isfinite(value) and 0 <= value <= MAX_SECONDS for value in seconds):
        raise NoForecast("summary.forecast tells a time that cannot be.")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
