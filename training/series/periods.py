"""Periods of a history by its spectrum, and what marks a step's place in them and in time.

After TinyCast's detector (raws-labs/tinycast, Apache-2.0, arXiv:2608.15767), as the `fracast`
package uses it.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def significant_periods(values: Tensor, observed: Tensor, least: int, count: int, alpha: float) -> Tensor:
    """int64 [B, count]: the strongest periods in steps, 0 where no further one is significant.

    Peaks of the normalised periodogram above ln(bins / alpha) / bins, the largest that white noise would show
    (Bonferroni). Steps not observed count as the mean.
    """
    steps = values.shape[1]
    seen = observed.sum(1, keepdim=True).clamp_min(1)
    mean = (values * observed).sum(1, keepdim=True) / seen
    filled = torch.where(observed, values, mean).float()
    size = 1 << math.ceil(math.log2(max(2, steps)))
    spectrum = torch.fft.rfft(filled - filled.mean(1, keepdim=True), n=size)
    power = (spectrum * spectrum.conj()).real[:, 1:]
    share = power / power.sum(1, keepdim=True).clamp_min(1e-12)
    bins = share.shape[1]
    middle = share[:, 1:-1]
    peak = F.pad((middle > share[:, :-2]) & (middle > share[:, 2:]), (1, 1))
    first = max(0, size // max(2, steps // 2) - 1)
    last = min(bins - 1, max(0, size // max(2, least) - 1))
    allowed = torch.zeros(bins, dtype=torch.bool, device=values.device)
    if last > first:
        allowed[first : last + 1] = True
    strong = share >= math.log(max(2, bins) / min(max(alpha, 1e-12), 1.0)) / max(2, bins)
    scores, places = share.masked_fill(~(peak & allowed & strong), -math.inf).topk(min(count, bins), dim=1)
    # Rounded, not cut: a period of 7 found as 6 is a whole turn off after 42 steps.
    periods = torch.round(size / (places + 1).float()).long()
    return torch.where(scores.isfinite(), periods, 0)


def phase_waves(steps: Tensor, periods: Tensor) -> Tensor:
    """Sine and cosine of the phase of steps [B, T] in each of periods [B, K]: [B, T, 2K], 0 for period 0."""
    angle = 2.0 * math.pi * steps.unsqueeze(2).float() / periods.clamp_min(1).unsqueeze(1).float()
    waves = torch.stack([angle.sin(), angle.cos()], dim=-1) * (periods > 0)[:, None, :, None]
    return waves.flatten(2)


def recency(steps: Tensor, context: int) -> Tensor:
    """Five bounded marks of the distance to now, step `context - 1`, in histories: [B, T, 5]."""
    away = (steps.float() - (context - 1)) / context
    size = away.abs()
    logarithm = away.sign() * size.log1p() / math.log(2.0)
    return torch.stack([away, logarithm, *((-rate * size).exp() for rate in (0.5, 2.0, 8.0))], dim=-1)


def folded_profile(values: Tensor, observed: Tensor, period: Tensor, horizon: int, bins: int) -> Tensor:
    """[B, horizon]: the mean observed value at each future step's phase in `period` [B]; phases in `bins`."""
    steps = values.shape[1]
    turn = period.clamp_min(1).float().unsqueeze(1)
    weight = observed.to(values.dtype)

    def place(when: Tensor) -> Tensor:
        return ((when.float() % turn) / turn * bins).long().clamp_max(bins - 1)

    marks = F.one_hot(place(torch.arange(steps, device=values.device).expand(len(values), -1)), bins)
    marks = marks.to(values.dtype) * weight.unsqueeze(2)
    counts = marks.sum(1)
    totals = torch.einsum("blk,bl->bk", marks, values * weight)
    overall = (values * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp_min(1.0)
    means = torch.where(counts > 0, totals / counts.clamp_min(1.0), overall)
    future = torch.arange(steps, steps + horizon, device=values.device).expand(len(values), -1)
    return means.gather(1, place(future))
