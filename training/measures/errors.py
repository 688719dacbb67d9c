"""How sure the measures of numbers are: R², RMSE and MAE on rows drawn again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import ArrayLike

from training.measures.checks import Floats
from training.measures.intervals import bootstrap


def r2_rows(truth: Floats, guess: Floats) -> Floats:
    """R² [...] of rows [..., n]; NaN where the truth does not vary."""
    spread = ((truth - truth.mean(-1, keepdims=True)) ** 2).sum(-1)
    error = ((truth - guess) ** 2).sum(-1)
    found: Floats = 1 - np.divide(error, spread, out=np.full_like(error, np.nan), where=spread > 0)
    return found


def rmse_rows(truth: Floats, guess: Floats) -> Floats:
    """Root of the mean squared error [...] of rows [..., n]."""
    found: Floats = np.sqrt(((truth - guess) ** 2).mean(-1))
    return found


def mae_rows(truth: Floats, guess: Floats) -> Floats:
    """Mean absolute error [...] of rows [..., n]."""
    found: Floats = np.abs(truth - guess).mean(-1)
    return found


MEASURES: dict[str, Callable[[Floats, Floats], Floats]] = {"r2": r2_rows, "rmse": rmse_rows, "mae": mae_rows}


def error_intervals(
    targets: ArrayLike, predictions: ArrayLike, names: Iterable[str], *, resamples: int
) -> dict[str, tuple[float, float]]:
    """95 % bootstrap bounds by name, of those of `names` that are in `MEASURES`."""
    return {
        name: (found.lo, found.hi)
        for name in names
        if name in MEASURES
        for found in [bootstrap(MEASURES[name], targets, predictions, resamples=resamples, batched=True)]
    }
