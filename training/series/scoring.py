"""Errors of rolling forecasts in the series' own units: by measure, by step ahead, with an interval."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from training.measures import forecasting, regression
from training.measures.checks import defined

RESAMPLES = 1000


@dataclass(frozen=True)
class Scores:
    """Values and forecasts [windows, horizon] and [windows, horizon, quantiles]; only `observed` ones count.

    `naive` [windows] is the scale of MASE. Quantiles that cross are put in order first (Chernozhukov et al.
    2010): it can only bring them nearer, and it is what a forecast shows.
    """

    values: np.ndarray
    observed: np.ndarray
    naive: np.ndarray
    outputs: np.ndarray
    quantiles: tuple[float, ...]

    @property
    def middle(self) -> np.ndarray:
        """The point forecast [windows, horizon]."""
        found: np.ndarray = self.outputs[..., self.quantiles.index(0.5) if self.quantiles else 0]
        return found

    def metrics(self) -> dict[str, float]:
        """mae, rmse, mase, wape, and wql (weighted quantile loss) and coverage where there are quantiles."""
        return self._of(self.observed)

    def by_step(self) -> list[dict[str, float]]:
        """The same for each step ahead; steps that nobody measured are left out."""
        rows = []
        for step in range(self.values.shape[1]):
            seen = np.zeros_like(self.observed)
            seen[:, step] = self.observed[:, step]
            if seen.any():
                rows.append({"step": step + 1, **self._of(seen)})
        return rows

    def interval(self) -> tuple[float, float]:
        """95 % of the MASE of resampled windows (bootstrap, Efron 1979)."""
        errors = np.where(self.observed, np.abs(self.values - self.middle), 0.0).sum(1) / self.naive
        counts = self.observed.sum(1)
        draw = np.random.default_rng(0).integers(0, len(counts), (RESAMPLES, len(counts)))
        low, high = np.quantile(errors[draw].sum(1) / counts[draw].sum(1), [0.025, 0.975])
        return float(low), float(high)

    def _of(self, seen: np.ndarray) -> dict[str, float]:
        truth, guess = self.values[seen], self.middle[seen]
        scales = np.broadcast_to(self.naive[:, None], self.values.shape)[seen]
        found = {
            "mae": regression.mae(truth, guess),
            "rmse": regression.rmse(truth, guess),
            "mase": forecasting.mase(truth[:, None], guess[:, None], scales),
            "wape": forecasting.wape(truth[None], guess[None]),
        }
        if self.quantiles:
            levels, forecasts = self.quantiles, self.outputs[seen]
            found["wql"] = forecasting.weighted_quantile_loss(truth[None], forecasts[None], levels)
        if len(self.quantiles) > 1:
            found["coverage"] = regression.coverage(truth, forecasts[:, 0], forecasts[:, -1])
        return defined(found)


def collect(pairs: Iterable[tuple[Tensor, dict[str, Tensor]]], quantiles: tuple[float, ...]) -> Scores:
    """From outputs [B, horizon, outputs] and targets as `WindowExamples` gives them, standardised."""
    values, observed, naive, outputs = [], [], [], []
    for output, targets in pairs:
        mean, std = targets["mean"].double(), targets["std"].double()
        values.append(targets["values"].double() * std[:, None] + mean[:, None])
        observed.append(targets["observed"])
        naive.append(targets["naive"].double())
        ordered = output.double().sort(dim=2).values if quantiles else output.double()
        outputs.append(ordered * std[:, None, None] + mean[:, None, None])
    first, second, third, fourth = (torch.cat(part).numpy() for part in (values, observed, naive, outputs))
    return Scores(first, second, third, fourth, quantiles)
