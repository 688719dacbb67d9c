"""Context and horizon windows as index arithmetic over one tensor, split by time; the scale of series."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from training.errors import UserError
from training.series.reading import Panel

MIN_SCALE = 1e-8


@dataclass(frozen=True)
class Scaler:
    """Mean and spread by track (series x target) and by covariate, from the train part alone.

    `mean`, `std`, `naive` float32 [series, targets]; `naive` is the mean absolute difference to the value one
    season before, the scale of MASE. `covariate_mean`, `covariate_std` [covariates], known before past.
    """

    mean: Tensor
    std: Tensor
    naive: Tensor
    covariate_mean: Tensor
    covariate_std: Tensor

    def as_dict(self) -> dict[str, Any]:
        return {name: tensor.tolist() for name, tensor in vars(self).items()}

    @staticmethod
    def from_dict(plain: dict[str, Any]) -> Scaler:
        return Scaler(**{name: torch.tensor(value, dtype=torch.float32) for name, value in plain.items()})


@dataclass(frozen=True)
class Windows:
    """Window i predicts `panel.values[origins[i] : origins[i] + horizon, targets[i]]` from what is before.

    Tensors are shared between all cuts of one panel; a batch is the only copy ever made.
    """

    panel: Panel
    flat: Tensor
    observed: Tensor
    context: int
    horizon: int
    origins: Tensor
    targets: Tensor
    starts: Tensor
    series: Tensor

    def __len__(self) -> int:
        return len(self.origins)

    def thin(self, limit: int | None) -> Windows:
        """At most `limit` windows, spread evenly over all of them."""
        if limit is None or len(self) <= limit:
            return self
        return self.pick(torch.linspace(0, len(self) - 1, limit, dtype=torch.float64).round().long())

    def pick(self, rows: Tensor) -> Windows:
        return replace(
            self,
            origins=self.origins[rows],
            targets=self.targets[rows],
            starts=self.starts[rows],
            series=self.series[rows],
        )

    def history(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Values [B, context] and whether they were measured; steps before the series began are 0, False."""
        steps = self.origins[rows, None] + torch.arange(-self.context, 0)
        inside = steps >= self.starts[rows, None]
        places = torch.where(inside, steps, self.origins[rows, None]) + self.targets[rows, None] * len(
            self.panel
        )
        return self.flat[places] * inside, self.observed[places] & inside

    def future(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Values [B, horizon] and whether they were measured: only those are learnt from and scored."""
        steps = self.origins[rows, None] + torch.arange(self.horizon)
        places = steps + self.targets[rows, None] * len(self.panel)
        return self.flat[places], self.observed[places]

    def covariates(self, rows: Tensor, scaler: Scaler) -> dict[str, Tensor]:
        """`past` [B, context, known + past] and `known` [B, horizon, known], standardised; missing is 0."""
        count = self.panel.known.shape[1]
        before = (self.origins[rows, None] + torch.arange(-self.context, 0)).clamp_min(0)
        after = self.origins[rows, None] + torch.arange(self.horizon)
        seen = torch.cat([self.panel.known[before], self.panel.past[before]], dim=2)
        mean, std = scaler.covariate_mean, scaler.covariate_std
        past = (seen - mean) / std
        known = (self.panel.known[after] - mean[:count]) / std[:count]
        return {"past": past.nan_to_num(0.0), "known": known.nan_to_num(0.0)}


def make_windows(
    panel: Panel,
    context: int,
    horizon: int,
    *,
    first: list[int] | None = None,
    last: list[int] | None = None,
    stride: int = 1,
    padded: bool = False,
) -> Windows:
    """Every window whose target lies in steps `first[i]` to `last[i]` (exclusive) of series i.

    Contexts may begin before `first`: they are the past. Left out are windows whose horizon holds no measured
    value, and those whose context holds a value older than the fill bound. `padded`: contexts may be shorter
    than `context` and have holes (the net is told by a mask), as long as half of it was measured.
    """
    usable = panel.usable.T.contiguous()
    measured = panel.observed.T.contiguous()
    kept_origins, kept_targets, starts, series = [], [], [], []
    for index, (start, stop) in enumerate(panel.bounds):
        begin = first[index] if first else start
        end = last[index] if last else stop
        least = start + (min(context, max(horizon, 16)) if padded else context)
        earliest = max(begin, least)
        origins = torch.arange(earliest, max(earliest, end - horizon + 1), stride)
        for target in range(usable.shape[0]):
            fits = _fits(usable[target], measured[target], origins, start, context, horizon, padded)
            kept = origins[fits]
            kept_origins.append(kept)
            kept_targets.append(torch.full_like(kept, target))
            starts.append(torch.full_like(kept, start))
            series.append(torch.full_like(kept, index))
    return Windows(
        panel=panel,
        flat=panel.values.T.reshape(-1),
        observed=measured.reshape(-1),
        context=context,
        horizon=horizon,
        origins=torch.cat(kept_origins),
        targets=torch.cat(kept_targets),
        starts=torch.cat(starts),
        series=torch.cat(series),
    )


def _fits(
    usable: Tensor, measured: Tensor, origins: Tensor, start: int, context: int, horizon: int, padded: bool
) -> Tensor:
    begins = (origins - context).clamp_min(start)
    seen = torch.nn.functional.pad(measured.long().cumsum(0), (1, 0))
    wanted = seen[origins + horizon] - seen[origins] > 0
    if padded:
        return wanted & (2 * (seen[origins] - seen[begins]) >= origins - begins)
    bad = torch.nn.functional.pad((~usable).long().cumsum(0), (1, 0))
    return wanted & (bad[origins] == bad[begins])


def rolling_stride(horizon: int, season: int) -> int:
    """Steps between two forecasts that do not overlap and whose beginnings go through the whole season."""
    return next(stride for stride in range(horizon, horizon + season + 1) if math.gcd(stride, season) == 1)


def cut(panel: Panel, fraction: float) -> list[int]:
    """The step of each series where the last `fraction` of its steps begins."""
    return [stop - round((stop - start) * fraction) for start, stop in panel.bounds]


def fit_scaler(panel: Panel, season: int, last: list[int] | None = None) -> Scaler:
    """From the steps before `last` alone, measured values only. Raises `UserError` for a constant target."""
    ends = last or [stop for _, stop in panel.bounds]
    rows = [
        _track_scales(panel, index, target, ends[index], season)
        for index in range(len(panel.bounds))
        for target in range(panel.values.shape[1])
    ]
    mean, std, naive = (
        torch.tensor(rows, dtype=torch.float32).reshape(len(panel.bounds), panel.values.shape[1], 3).unbind(2)
    )
    covariates = torch.cat([panel.known, panel.past], dim=1)
    parts = [covariates[start:end] for (start, _), end in zip(panel.bounds, ends, strict=True)]
    seen = torch.cat(parts).double()
    centre = seen.nanmean(0).nan_to_num(0.0)
    spread = (seen - centre).square().nanmean(0).sqrt().nan_to_num(0.0)
    spread = torch.where(spread > MIN_SCALE, spread, 1.0)
    return Scaler(mean, std, naive, centre.float(), spread.float())


def _track_scales(panel: Panel, index: int, target: int, end: int, season: int) -> tuple[float, float, float]:
    start = panel.bounds[index][0]
    values = panel.values[start:end, target].double()
    measured = panel.observed[start:end, target]
    seen = values[measured]
    name = panel.columns.targets[target] + (f" of {panel.names[index]}" if panel.names[index] else "")
    if len(seen) < 2 or float(seen.std(correction=0)) <= MIN_SCALE * max(1.0, float(seen.abs().max())):
        text = f"The part of {name!r} to learn from holds no two different values."
        raise UserError("data:constant-series", text)
    pairs = measured[season:] & measured[:-season]
    steps = (values[season:] - values[:-season]).abs()[pairs]
    spread = float(seen.std(correction=0))
    # A series shorter than its season, or one that repeats it exactly, has no naive error to measure by.
    naive = float(steps.mean()) if len(steps) and float(steps.mean()) > 0 else spread
    return float(seen.mean()), spread, naive


def scaler_for(fitted: Scaler, names: list[str], panel: Panel, season: int, *, strict: bool) -> Scaler:
    """The scales of the panel's series, by name. Series that were not learned from take theirs from what is
    before the split, or from the series itself where nothing is; `strict`: they are refused with `UserError`.
    """
    index_of = {name: index for index, name in enumerate(names)}
    known = [index_of.get(name, -1) for name in panel.names]
    if len(names) == 1 and len(panel.names) == 1:
        known = [0]
    if min(known) >= 0:
        rows = torch.tensor(known)
        return replace(fitted, mean=fitted.mean[rows], std=fitted.std[rows], naive=fitted.naive[rows])
    if strict:
        stranger = panel.names[known.index(-1)]
        text = f"The model never saw the series {stranger!r}, and dataset.scaling standard needs its scale."
        raise UserError("data:unknown-series", text)
    edges = zip(panel.begins, panel.bounds, strict=True)
    last = [begin if begin > start else stop for begin, (start, stop) in edges]
    own = fit_scaler(panel, season, last)
    rows, fresh = torch.tensor(known).clamp_min(0), torch.tensor(known)[:, None] < 0
    mean, std, naive = (
        torch.where(fresh, getattr(own, name), getattr(fitted, name)[rows])
        for name in ("mean", "std", "naive")
    )
    return replace(fitted, mean=mean, std=std, naive=naive)
