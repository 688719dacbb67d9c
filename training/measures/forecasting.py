"""Measures of forecasts: `targets` and `forecasts` [series, horizon], errors in the targets' unit.

Errors are those of `checks`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from training.errors import UserError
from training.measures.checks import Floats, defined, numbers, same_length, some_rows
from training.measures.regression import pinball_terms, symmetric_errors


def naive_scale(history: ArrayLike, season: int = 1) -> float:
    """Mean absolute error in `history` [t] of repeating the value `season` steps before, the denominator of
    MASE; NaN where the history never changes from one season to the next.

    `UserError` `measure:short-history` where it has no two values a season apart.
    """
    past = numbers(history, "history", None)
    if season < 1:
        raise ValueError(f"A season must be at least 1 step, not {season}.")
    if len(past) <= season:
        text = f"A history of {len(past):,} values is too short for a season of {season:,} steps."
        raise UserError("measure:short-history", text)
    scale = float(np.abs(past[season:] - past[:-season]).mean())
    return scale or float("nan")


def mase(targets: ArrayLike, forecasts: ArrayLike, scales: ArrayLike) -> float:
    """Mean over the series of mean |error| / the series' `naive_scale` (Hyndman & Koehler 2006), `scales`
    [series]; below 1 is better than the naive forecast was in the history. Series without a scale (NaN) are
    left out, and NaN is what remains of none.
    """
    truth, guess = _pair(targets, forecasts)
    try:
        known = np.asarray(scales, dtype=np.float64)
    except (TypeError, ValueError):
        raise UserError("measure:type", "The scales must be numbers.") from None
    if known.shape != (len(truth),):
        raise UserError("measure:shape", f"There must be one scale for each of the {len(truth):,} series.")
    usable = np.isfinite(known) & (known > 0)
    if not usable.any():
        return float("nan")
    return float((np.abs(truth - guess).mean(axis=1)[usable] / known[usable]).mean())


def mase_of_histories(
    targets: ArrayLike, forecasts: ArrayLike, histories: Sequence[ArrayLike], season: int = 1
) -> float:
    """`mase` with the scales taken from each series' own history, lengths may differ."""
    truth, guess = _pair(targets, forecasts)
    same_length(len(truth), len(histories), "series and histories")
    return mase(truth, guess, [naive_scale(history, season) for history in histories])


def smape(targets: ArrayLike, forecasts: ArrayLike) -> float:
    """Mean of 2 |error| / (|target| + |forecast|), from 0 to 2 (M4)."""
    truth, guess = _pair(targets, forecasts)
    return float(symmetric_errors(truth, guess).mean())


def wape(targets: ArrayLike, forecasts: ArrayLike) -> float:
    """Σ |error| / Σ |target|; NaN where all targets are 0."""
    truth, guess = _pair(targets, forecasts)
    size = float(np.abs(truth).sum())
    return float(np.abs(truth - guess).sum()) / size if size else float("nan")


def weighted_quantile_loss(targets: ArrayLike, forecasts: ArrayLike, quantiles: Sequence[float]) -> float:
    """Mean over the quantiles of 2 Σ pinball loss / Σ |target| (Salinas et al. 2020; GluonTS);
    `forecasts` [series, horizon, quantiles]. NaN where all targets are 0.
    """
    truth = numbers(targets, "targets", None, None)
    some_rows(len(quantiles))
    guess = numbers(forecasts, "forecasts", *truth.shape, len(quantiles))
    size = float(np.abs(truth).sum())
    if not size:
        return float("nan")
    losses = [pinball_terms(truth, guess[..., i], quantile).sum() for i, quantile in enumerate(quantiles)]
    return float(2 * np.mean(losses) / size)


def mae_by_step(targets: ArrayLike, forecasts: ArrayLike) -> Floats:
    """Mean absolute error of each step ahead [horizon]."""
    truth, guess = _pair(targets, forecasts)
    return np.abs(truth - guess).mean(axis=0)


def summary(targets: ArrayLike, forecasts: ArrayLike, scales: ArrayLike | None = None) -> dict[str, float]:
    """Every number there is for point forecasts; those that are not defined on these series are left out."""
    truth, guess = _pair(targets, forecasts)
    found = {
        "mae": float(np.abs(truth - guess).mean()),
        "rmse": float(np.sqrt(((truth - guess) ** 2).mean())),
        "smape": smape(truth, guess),
        "wape": wape(truth, guess),
    }
    if scales is not None:
        found["mase"] = mase(truth, guess, scales)
    return defined(found)


def _pair(targets: ArrayLike, forecasts: ArrayLike) -> tuple[Floats, Floats]:
    truth = numbers(targets, "targets", None, None)
    return truth, numbers(forecasts, "forecasts", *truth.shape)
