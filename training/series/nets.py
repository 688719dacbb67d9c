"""Small forecasting nets: NLinear, DLinear (Zeng et al. 2023) and PatchTST (Nie et al. 2023).

All map standardised histories to `[B, horizon, outputs]`, one channel at a time with the same weights
(channel independence); `outputs` is the number of quantiles, or 1 for a point forecast.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.errors import UserError

EPSILON = 1e-5
KERNEL = 25
LINEAR = ("nlinear", "dlinear")
MAX_WEIGHTS = 500_000_000


@dataclass(frozen=True)
class NetShape:
    """What a net is built from; `known` and `past` count covariate columns. Lengths in steps."""

    kind: str
    context: int
    horizon: int
    outputs: int
    known: int = 0
    past: int = 0
    instance_norm: bool = True
    width: int = 64
    depth: int = 3
    heads: int = 4
    patch: int = 16
    stride: int = 8
    dropout: float = 0.1


class InstanceNorm(nn.Module):
    """Reversible instance normalisation (RevIN, Kim et al. 2022) over the measured values of each window."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, history: Tensor, observed: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Normalised [B, context], and what `restore` needs."""
        count = observed.sum(1, keepdim=True).clamp_min(1)
        mean = (history * observed).sum(1, keepdim=True) / count
        variance = ((history - mean).square() * observed).sum(1, keepdim=True) / count
        spread = (variance + EPSILON).sqrt()
        return (history - mean) / spread * self.weight + self.bias, (mean, spread)

    def restore(self, output: Tensor, scale: tuple[Tensor, Tensor]) -> Tensor:
        """[B, horizon, outputs] back in the units of the history."""
        mean, spread = (item.unsqueeze(2) for item in scale)
        return (output - self.bias) / (self.weight + EPSILON**2) * spread + mean


class Covariates(nn.Module):
    """What covariates add to a forecast: known ones step by step, past ones by a line through the history."""

    def __init__(self, shape: NetShape) -> None:
        super().__init__()
        self.horizon, self.outputs = shape.horizon, shape.outputs
        hidden = max(16, shape.width // 2)
        self.known = None
        if shape.known:
            self.known = nn.Sequential(
                nn.Linear(shape.known, hidden), nn.GELU(), nn.Linear(hidden, shape.outputs)
            )
        seen = shape.known + shape.past
        self.past = nn.Linear(seen * shape.context, shape.horizon) if seen else None
        for layer in (self.known[-1] if self.known else None, self.past):
            if isinstance(layer, nn.Linear):
                # From zero: the net begins as the same net without covariates.
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, past: Tensor, known: Tensor) -> Tensor | float:
        added: Tensor | float = 0.0
        if self.known is not None:
            added = self.known(known)
        if self.past is not None:
            added = added + self.past(past.flatten(1)).unsqueeze(2)
        return added


class LinearForecaster(nn.Module):
    """One line a horizon step over the history: after the last value (NLinear), or trend and rest (DLinear).

    Zeng et al., "Are Transformers Effective for Time Series Forecasting?", AAAI 2023.
    """

    def __init__(self, shape: NetShape) -> None:
        super().__init__()
        self.shape = shape
        self.norm = InstanceNorm() if shape.instance_norm else None
        self.covariates = Covariates(shape)
        lines = 2 if shape.kind == "dlinear" else 1
        width = shape.horizon * shape.outputs
        self.head = nn.ModuleList(nn.Linear(shape.context, width) for _ in range(lines))

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """[B, horizon, outputs] from `history`, `observed` [B, context], `past`, `known` [B, steps, k]."""
        history, observed = inputs["history"], inputs["observed"]
        scale = None
        if self.norm is not None:
            history, scale = self.norm(history, observed)
        if self.shape.kind == "dlinear":
            trend = moving_average(history)
            lines = self.head[0](trend) + self.head[1](history - trend)
            level = torch.zeros_like(history[:, :1, None])
        else:
            level = history[:, -1:, None]
            lines = self.head[0](history - history[:, -1:])
        output = lines.reshape(len(history), self.shape.horizon, self.shape.outputs) + level
        output = output + self.covariates(inputs["past"], inputs["known"])
        return output if self.norm is None or scale is None else self.norm.restore(output, scale)

    def stages(self) -> list[list[str]]:
        """Parameter names below the head, a list a stage."""
        names = [name for name, _ in self.named_parameters() if not name.startswith("head.")]
        return [names] if names else []


def moving_average(history: Tensor, kernel: int = KERNEL) -> Tensor:
    """[B, steps], centred, the ends repeated as Zeng et al. do."""
    padded = F.pad(history.unsqueeze(1), ((kernel - 1) // 2, kernel // 2), mode="replicate")
    return F.avg_pool1d(padded, kernel, stride=1).squeeze(1)


def build_net(shape: NetShape) -> nn.Module:
    """A net with fresh weights from the global generator. Raises `UserError` for sizes that do not fit."""
    inputs = shape.context if shape.kind in LINEAR else shape.context // shape.stride * shape.width
    weights = inputs * shape.horizon * shape.outputs
    if weights > MAX_WEIGHTS:
        text = f"The head would have {weights:,} weights, more than {MAX_WEIGHTS:,}"
        raise UserError(
            "recipe:bad-network", f"{text}; choose a shorter context or horizon, fewer quantiles."
        )
    if shape.kind in LINEAR:
        return LinearForecaster(shape)
    if shape.kind == "patchtst":
        # transformers takes seconds to import, and linear nets do not need it.
        from training.series.patchtst import build_patchtst

        return build_patchtst(shape)
    raise UserError("recipe:unknown-network", f"There is no forecasting net of the kind {shape.kind[:60]!r}.")
