"""One forecast from one history, as people and widgets ask for it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from training.errors import UserError
from training.series.grid import carry_forward
from training.series.published import Forecasting

MAX_TEXT_BYTES = 16 * 1024 * 1024
MAX_HISTORY = 1_000_000


def forecast(net: nn.Module, about: Forecasting, given: str) -> dict[str, Any]:
    """The next `horizon` values: `forecast` (the median, or the mean of point losses) and `quantiles`.

    `given`, a JSON object or the path of one: `history` (numbers, null where not measured), `series` and
    `target` where there are several, `start` (the time of the first value, for `times`), and for each
    covariate column a list beside them, known ones with `horizon` more values. Raises `UserError`.
    """
    plain = _read(given)
    history = _numbers(plain.get("history"), "history")
    place, scale = _track(about, plain)
    short = len(history) < about.context
    if short and not about.takes_holes:
        text = f"history must hold at least {about.context} values, got {len(history)}."
        raise UserError("predict:short-history", text)
    recent = history[-about.context :]
    filled, usable = carry_forward(recent[:, None], [(0, len(recent))], about.max_gap)
    measured = ~np.isnan(recent)
    if not measured.any() or not (about.takes_holes or usable.all()):
        text = f"history has no value for more than {about.max_gap} steps in a row"
        raise UserError("predict:gap", f"{text} of its last {about.context}.")
    mean, std = scale if scale is not None else _own_scale(recent[measured])
    pad = about.context - len(recent)
    values = np.pad((np.nan_to_num(filled[:, 0]) - mean) / std, (pad, 0))
    inputs = {
        "history": torch.from_numpy(values).float()[None],
        "observed": torch.from_numpy(np.pad(measured, (pad, 0)))[None],
        **_covariates(about, plain, len(history)),
    }
    with torch.inference_mode():
        output = net.eval()(inputs)[0].double() * std + mean
    return _answer(about, output, plain, len(history), place)


def _answer(
    about: Forecasting, output: Tensor, plain: dict[str, Any], count: int, place: str
) -> dict[str, Any]:
    ordered = output.sort(dim=1).values if about.quantiles else output
    found: dict[str, Any] = {"target": place, "step": about.grid.period}
    found["forecast"] = ordered[:, about.middle].tolist()
    if about.quantiles:
        found["quantiles"] = {
            f"{level:g}": ordered[:, index].tolist() for index, level in enumerate(about.quantiles)
        }
    if plain.get("start") is not None:
        found["times"] = _times(about, str(plain["start"]), count)
    return found


def _times(about: Forecasting, start: str, count: int) -> list[str | int]:
    """The times of the forecast, from that of the first value of a history of `count` steps."""
    grid = about.grid
    try:
        first = int(start) if grid.unit == "step" else int(np.datetime64(start, "us").astype(np.int64))
    except ValueError:
        text = f"start must be the time of the first value, such as 2024-05-01 13:00, got {start[:40]!r}."
        raise UserError("predict:start", text) from None
    place = int(grid.count(np.array([first]))[0]) + count * grid.step
    return [grid.label(place + step * grid.step) for step in range(about.horizon)]


def _read(given: str) -> dict[str, Any]:
    text = given
    try:
        if not given.lstrip().startswith("{"):
            path = Path(given)
            if path.stat().st_size > MAX_TEXT_BYTES:
                raise UserError("predict:too-large", "The input is larger than 16 MiB.")
            text = path.read_text(encoding="utf-8")
        plain = json.loads(text)
    except (OSError, ValueError, RecursionError):
        plain = None
    if not isinstance(plain, dict):
        text = 'The input must be a JSON object such as {"history": [1.5, 2, 1.7]}, or the path of one.'
        raise UserError("predict:bad-input", text)
    return plain


def _numbers(value: Any, name: str, length: int | None = None) -> np.ndarray:
    """float64 with NaN for null. Raises `UserError` naming the place of what is no number."""
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_HISTORY:
        raise UserError("predict:bad-input", f"{name} must be a list of 1 to {MAX_HISTORY:,} numbers.")
    for index, item in enumerate(value):
        fits = item is None or (isinstance(item, int | float) and not isinstance(item, bool))
        if not fits or (item is not None and not abs(item) <= np.finfo(np.float32).max):
            text = f"{name}, value {index + 1}, must be a finite number or null, got {str(item)[:40]!r}."
            raise UserError("predict:bad-input", text)
    if length is not None and len(value) != length:
        raise UserError("predict:bad-input", f"{name} must hold {length} values, got {len(value)}.")
    return np.array([math.nan if item is None else item for item in value], dtype=np.float64)


def _track(about: Forecasting, plain: dict[str, Any]) -> tuple[str, tuple[float, float] | None]:
    """The target's name, and mean and spread of its track; None where the model never saw the series."""
    targets = about.columns.targets
    target = plain.get("target", targets[0])
    if target not in targets:
        text = f"target must be one of {', '.join(targets[:20])}, got {str(target)[:40]!r}."
        raise UserError("predict:target", text)
    series = str(plain.get("series", about.series[0] if len(about.series) == 1 else ""))
    if series not in about.series:
        if about.instance_norm:
            return target, None
        text = f"The model never saw the series {series[:60]!r}, and needs its scale; name one it knows."
        raise UserError("predict:series", text)
    row, column = about.series.index(series), targets.index(target)
    return target, (float(about.scaler.mean[row, column]), float(about.scaler.std[row, column]))


def _own_scale(measured: np.ndarray) -> tuple[float, float]:
    spread = float(measured.std())
    return float(measured.mean()), spread if spread > 0 else 1.0


def _covariates(about: Forecasting, plain: dict[str, Any], count: int) -> dict[str, Tensor]:
    """`past` [1, context, k] and `known` [1, horizon, k], standardised; null is the mean."""
    context, horizon = about.context, about.horizon
    seen, ahead = [], []
    for index, name in enumerate((*about.columns.known, *about.columns.past)):
        known = index < len(about.columns.known)
        values = _numbers(plain.get(name), name, count + (horizon if known else 0))
        mean = float(about.scaler.covariate_mean[index])
        scaled = np.nan_to_num((values - mean) / float(about.scaler.covariate_std[index]))
        past = scaled[max(0, count - context) : count]
        seen.append(np.pad(past, (context - len(past), 0)))
        if known:
            ahead.append(scaled[count:])
    past = np.stack(seen, axis=1) if seen else np.zeros((context, 0))
    known_steps = np.stack(ahead, axis=1) if ahead else np.zeros((horizon, 0))
    return {
        "past": torch.from_numpy(past).float()[None],
        "known": torch.from_numpy(known_steps).float()[None],
    }
