"""The forecasts that cost nothing, and a linear autoregression: what a trained net must beat.

All take histories [B, steps] with no holes and give [B, horizon], in the histories' units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from training.errors import UserError

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
BLOCK = 4096


def naive(history: Tensor, horizon: int) -> Tensor:
    """The last value again and again."""
    return history[:, -1:].expand(-1, horizon)


def seasonal_naive(history: Tensor, horizon: int, season: int) -> Tensor:
    """The value one season before, the last season repeated. Raises `UserError` for a shorter history."""
    if history.shape[1] < season:
        text = f"A history of {history.shape[1]:,} steps is shorter than the season of {season:,}."
        raise UserError("data:too-short", text)
    return history[:, -season:][:, torch.arange(horizon) % season]


def drift(history: Tensor, horizon: int) -> Tensor:
    """The line through the first and the last value, carried on."""
    slope = (history[:, -1] - history[:, 0]) / max(1, history.shape[1] - 1)
    return history[:, -1:] + slope[:, None] * torch.arange(1, horizon + 1)


def mean(history: Tensor, horizon: int) -> Tensor:
    """The mean of the history."""
    return history.mean(1, keepdim=True).expand(-1, horizon)


@dataclass(frozen=True)
class LinearAutoregression:
    """One ridge regression a horizon step on the history minus its mean: `weights` [lags, horizon]."""

    weights: Tensor
    penalty: float

    def __call__(self, history: Tensor) -> Tensor:
        """[B, horizon] from histories of at least `lags` steps."""
        recent = history[:, -len(self.weights) :].double()
        level = recent.mean(1, keepdim=True)
        return (level + (recent - level) @ self.weights).to(history.dtype)


def fit_autoregression(
    histories: Tensor, futures: Tensor, *, holdout: float = 0.2, penalties: Sequence[float] = PENALTIES
) -> LinearAutoregression:
    """Least squares with the penalty that does best on the last `holdout` of the rows, then on all of them.

    `histories` [n, lags], `futures` [n, horizon] in order of time. Penalties are relative to the mean square
    of the inputs, so that the units do not matter.
    """
    cut = len(histories) - max(1, round(len(histories) * holdout))
    if cut < 1:
        raise UserError("data:too-short", "A linear autoregression needs at least two windows to learn from.")
    gram, moments = _sums(histories[:cut], futures[:cut])
    tried = [LinearAutoregression(_solve(gram, moments, penalty), penalty) for penalty in penalties]
    errors = [float((fit(histories[cut:]) - futures[cut:]).square().mean()) for fit in tried]
    best = penalties[errors.index(min(errors))]
    late = _sums(histories[cut:], futures[cut:])
    return LinearAutoregression(_solve(gram + late[0], moments + late[1], best), best)


def _sums(histories: Tensor, futures: Tensor) -> tuple[Tensor, Tensor]:
    """X'X and X'Y in double precision, a block of rows at a time."""
    lags, horizon = histories.shape[1], futures.shape[1]
    gram, moments = torch.zeros(lags, lags).double(), torch.zeros(lags, horizon).double()
    for x, y in zip(histories.split(BLOCK), futures.split(BLOCK), strict=True):
        level = x.double().mean(1, keepdim=True)
        centred = x.double() - level
        gram += centred.T @ centred
        moments += centred.T @ (y.double() - level)
    return gram, moments


def _solve(gram: Tensor, moments: Tensor, penalty: float) -> Tensor:
    scale = gram.diagonal().mean().clamp_min(1e-12)
    return torch.linalg.solve(gram + penalty * scale * torch.eye(len(gram)).double(), moments)
