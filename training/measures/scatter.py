"""Predictions of numbers as dots: against the truth, and their errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from training.measures import regression
from training.measures.checks import Floats, Ints, numbers, same_length
from training.measures.svg import (
    BOTTOM,
    HEIGHT,
    LEFT,
    MAX_POINTS,
    RIGHT,
    TOP,
    WIDTH,
    Scale,
    at,
    axes,
    figure,
    ink,
    picture,
    scale,
    tag,
    write,
)


def parity(title: str, targets: ArrayLike, predictions: ArrayLike, *, unit: str = "") -> str:
    """Predictions over targets [n], with the diagonal on which all are right."""
    truth, guess = _pair(targets, predictions)
    both = [*truth.tolist(), *guess.tolist()]
    across, up = scale(both, LEFT, RIGHT), scale(both, BOTTOM, TOP)
    ends = f"M{at(across.start)} {at(up.start)}L{at(across.end)} {at(up.end)}"
    labels = _named("truth", unit), _named("prediction", unit)
    return _scatter(title, truth, guess, (across, up), ends, labels)


def residuals(title: str, targets: ArrayLike, predictions: ArrayLike, *, unit: str = "") -> str:
    """Prediction − target over the prediction [n], with the line of no error."""
    truth, guess = _pair(targets, predictions)
    errors = guess - truth
    across, up = scale(guess.tolist(), LEFT, RIGHT), scale([0.0, *errors.tolist()], BOTTOM, TOP)
    level = f"M{at(across.start)} {at(up(0))}H{at(across.end)}"
    labels = _named("prediction", unit), _named("prediction − truth", unit)
    return _scatter(title, guess, errors, (across, up), level, labels, truth=truth)


def _scatter(
    title: str,
    x: Floats,
    y: Floats,
    scales: tuple[Scale, Scale],
    line: str,
    labels: tuple[str, str],
    truth: Floats | None = None,
) -> str:
    across, up = scales
    kept: Ints = np.arange(len(x))
    if len(x) > MAX_POINTS:
        kept = np.sort(np.random.default_rng(0).choice(len(x), MAX_POINTS, replace=False))
    dots = "".join(f"M{at(across(x[row]))} {at(up(y[row]))}h0" for row in kept.tolist())
    parts = [
        axes(across, up, *labels),
        tag("path", d=line, stroke="currentColor", stroke_dasharray="4 4", fill="none"),
        tag("path", d=dots, stroke=ink(0), stroke_width=4, stroke_linecap="round", opacity=0.75, fill="none"),
    ]
    pair = (x, y) if truth is None else (truth, x)
    measured = regression.summary(*pair)
    told = f"{len(x):,} rows, mean absolute error {figure(measured['mae'])}"
    told += f", R² {measured['r2']:.3f}" if "r2" in measured else ""
    drawn = f" {MAX_POINTS:,} rows drawn at random are shown." if len(x) > MAX_POINTS else ""
    parts.append(write(RIGHT, TOP - 8, told, text_anchor="end"))
    return picture(WIDTH, HEIGHT, title, f"{labels[1]} over {labels[0]}: {told}.{drawn}", *parts)


def _pair(targets: ArrayLike, predictions: ArrayLike) -> tuple[Floats, Floats]:
    truth, guess = numbers(targets, "targets", None), numbers(predictions, "predictions", None)
    same_length(len(truth), len(guess), "targets and predictions")
    return truth, guess


def _named(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name
