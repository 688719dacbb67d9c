"""Measures of one number per row: `targets` and `predictions` [n], errors in the targets' unit.

A measure without a meaning for these rows (R² or a correlation with a constant side, MAPE with a target of 0)
is NaN. Errors are those of `checks`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from training.measures.checks import Floats, defined, numbers
from training.measures.probabilities import average_ranks


def mae(targets: ArrayLike, predictions: ArrayLike) -> float:
    """Mean absolute error."""
    truth, guess = _pair(targets, predictions)
    return float(np.abs(truth - guess).mean())


def mse(targets: ArrayLike, predictions: ArrayLike) -> float:
    """Mean squared error, in the squared unit."""
    truth, guess = _pair(targets, predictions)
    return float(((truth - guess) ** 2).mean())


def rmse(targets: ArrayLike, predictions: ArrayLike) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(mse(targets, predictions)))


def median_absolute_error(targets: ArrayLike, predictions: ArrayLike) -> float:
    """Median of the absolute errors."""
    truth, guess = _pair(targets, predictions)
    return float(np.median(np.abs(truth - guess)))


def r2(targets: ArrayLike, predictions: ArrayLike) -> float:
    """1 − squared error over that of the targets' own mean; NaN where the targets are constant."""
    truth, guess = _pair(targets, predictions)
    if np.ptp(truth) == 0:
        return float("nan")
    return float(1 - ((truth - guess) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())


def mape(targets: ArrayLike, predictions: ArrayLike) -> float:
    """Mean absolute error as a fraction of the target; NaN where a target is 0."""
    truth, guess = _pair(targets, predictions)
    if (truth == 0).any():
        return float("nan")
    return float(np.abs((truth - guess) / truth).mean())


def smape(targets: ArrayLike, predictions: ArrayLike) -> float:
    """Mean of 2 |error| / (|target| + |prediction|), from 0 to 2 (M4); 0 where both are 0."""
    truth, guess = _pair(targets, predictions)
    return float(symmetric_errors(truth, guess).mean())


def symmetric_errors(truth: Floats, guess: Floats) -> Floats:
    """The terms of `smape`, any shape."""
    size = np.abs(truth) + np.abs(guess)
    return np.divide(2 * np.abs(truth - guess), size, out=np.zeros_like(size), where=size > 0)


def pinball_loss(targets: ArrayLike, predictions: ArrayLike, quantile: float) -> float:
    """Mean quantile loss of predictions of one quantile (Koenker & Bassett 1978); half the MAE at 0.5."""
    truth, guess = _pair(targets, predictions)
    return float(pinball_terms(truth, guess, quantile).mean())


def pinball_terms(truth: Floats, guess: Floats, quantile: float) -> Floats:
    """The terms of `pinball_loss`, any shape."""
    if not 0 < quantile < 1:
        raise ValueError(f"A quantile must lie between 0 and 1, not {quantile}.")
    return np.maximum(quantile * (truth - guess), (quantile - 1) * (truth - guess))


def pearson(targets: ArrayLike, predictions: ArrayLike) -> float:
    """Linear correlation; NaN where a side is constant."""
    truth, guess = _pair(targets, predictions)
    return _correlation(truth, guess)


def spearman(targets: ArrayLike, predictions: ArrayLike) -> float:
    """Correlation of the ranks, ties sharing the mean of theirs; NaN where a side is constant."""
    truth, guess = _pair(targets, predictions)
    return _correlation(average_ranks(truth), average_ranks(guess))


def coverage(targets: ArrayLike, lower: ArrayLike, upper: ArrayLike) -> float:
    """Share of targets inside [lower, upper], bounds [n] included; crossed bounds hold nothing."""
    truth, low = _pair(targets, lower, "lower bounds")
    high = numbers(upper, "upper bounds", len(truth))
    return float(((low <= truth) & (truth <= high)).mean())


def summary(targets: ArrayLike, predictions: ArrayLike) -> dict[str, float]:
    """Every number there is; those that are not defined on these rows are left out."""
    truth, guess = _pair(targets, predictions)
    measures = (mae, rmse, mse, r2, median_absolute_error, mape, smape, pearson, spearman)
    return defined({measure.__name__: measure(truth, guess) for measure in measures})


def _pair(targets: ArrayLike, predictions: ArrayLike, name: str = "predictions") -> tuple[Floats, Floats]:
    truth = numbers(targets, "targets", None)
    return truth, numbers(predictions, name, len(truth))


def _correlation(first: Floats, second: Floats) -> float:
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    a, b = first - first.mean(), second - second.mean()
    # Scaled first: squares of tiny or huge numbers leave the range of float64.
    a, b = a / np.abs(a).max(), b / np.abs(b).max()
    return float(np.clip((a @ b) / np.sqrt((a @ a) * (b @ b)), -1, 1))
