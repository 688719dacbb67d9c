"""What an evaluation's tables look like: from its plain JSON to plots, for a hub's page or a folder.

A number task keeps a `scatter` of its rows, a task of classes `confusion` and `reliability`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from training.errors import UserError
from training.measures.plots import confusion, parity, reliability_diagram, residuals
from training.measures.probabilities import Reliability, reliability

MAX_POINTS = 400
_BINS = ("edges", "counts", "confidence", "accuracy")


def scatter_of(truth: ArrayLike, guess: ArrayLike) -> dict[str, list[float]]:
    """At most `MAX_POINTS` rows [n] of truth and prediction, evenly picked in the order of the truth, in six
    digits."""
    known, told = np.asarray(truth, np.float64), np.asarray(guess, np.float64)
    order = np.argsort(known, kind="stable")
    picked = order[np.unique(np.linspace(0, len(order) - 1, min(len(order), MAX_POINTS)).round().astype(int))]
    rounded = [[float(f"{value:.6g}") for value in values[picked]] for values in (known, told)]
    return {"truth": rounded[0], "prediction": rounded[1]}


def reliability_of(probabilities: ArrayLike, targets: ArrayLike) -> dict[str, Any]:
    """The bins of `probabilities.reliability` of the likeliest classes; None where a bin is empty."""
    shares = np.asarray(probabilities, np.float64)
    right = shares.argmax(axis=1) == np.asarray(targets)
    found = reliability(np.minimum(shares.max(axis=1), 1), right)
    plain: dict[str, Any] = {"error": found.error}
    for name in _BINS:
        values = getattr(found, name).tolist()
        plain[name] = [None if value != value else round(value, 6) for value in values]
    return plain


def drawings(evaluation: Mapping[str, Any]) -> dict[str, str]:
    """SVG by name: `confusion`, `calibration`, `parity`, `residuals`, those whose numbers are there.

    The evaluation may come from anywhere: what cannot be drawn is left out.
    """
    makers = {
        "confusion": lambda: confusion(
            "Truth and prediction", evaluation["confusion"], [str(name) for name in evaluation["labels"]]
        ),
        "calibration": lambda: reliability_diagram("Calibration", _bins(evaluation["reliability"])),
        "parity": lambda: parity(
            _titled("Prediction over truth", evaluation), *_points(evaluation["scatter"])
        ),
        "residuals": lambda: residuals(_titled("Errors", evaluation), *_points(evaluation["scatter"])),
    }
    found = {}
    for name, make in makers.items():
        try:
            found[name] = make()
        except (KeyError, TypeError, ValueError, OverflowError, UserError):
            continue
    return found


def _titled(title: str, evaluation: Mapping[str, Any]) -> str:
    rows, shown = evaluation.get("n"), len(evaluation["scatter"]["truth"])
    return f"{title}: {shown} of {rows:,} rows" if isinstance(rows, int) and rows > shown else title


def _points(table: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    truth, guess = list(table["truth"]), list(table["prediction"])
    if not 0 < len(truth) <= MAX_POINTS:
        raise ValueError(f"{len(truth)} points")
    return truth, guess


def _bins(table: Mapping[str, Any]) -> Reliability:
    edges, counts, confidence, accuracy = (
        np.array([np.nan if value is None else value for value in table[name]], np.float64) for name in _BINS
    )
    if not 1 <= len(counts) <= 100 or len(edges) != len(counts) + 1 or counts.sum() < 1 or counts.min() < 0:
        raise ValueError("bins")
    return Reliability(edges, counts.astype(np.int64), confidence, accuracy, float(table["error"]))
