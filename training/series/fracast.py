"""Fracast-0, a pretrained forecaster of 85,001 parameters, rebuilt from its package's description.

One causal depthwise filter is applied at dilations 1, 2, 4, … to a history of 2,048 steps; periods found in
the history's spectrum mark the phase of each step. Parameter names are those of the `fracast` package
(0.1.0, Apache-2.0), so its `FracastModel.from_pretrained(dir, weights="fp32")` loads what we publish.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.errors import UserError
from training.series.periods import folded_profile, phase_waves, recency, significant_periods

MIN_SPAN = 1e-5
# The package's choices that its config can name and this rebuilding knows; anything else is another net.
FIXED = {
    "family": "fracast",
    "share_stages": True,
    "scale_cond": "film",
    "recency_encoding": True,
    "periodic_phase": True,
    "periodic_harmonics": 1,
    "causal": True,
    "separable_conv": True,
    "head_kind": "gather",
    "head_output_mode": "direct",
    "head_future_conv": True,
}
DEFAULTS = {"head_phase_bins": 16, "head_future_conv_layers": 6, "head_future_conv_seed": 128}
# Widest and deepest that is built: far beyond what exists, small enough to be built at all.
LIMITS = {
    "d_model": 1024,
    "W": 65_536,
    "horizon": 4096,
    "n_stages": 16,
    "dilation_base": 8,
    "kernel_size": 16,
    "scale_cond_dim": 256,
    "head_d_ff": 8192,
    "head_layers": 16,
    "head_fc_layers": 8,
    "head_fc_kernel": 16,
    "periodic_topk": 64,
    "periodic_min_period": 4096,
    "head_phase_bins": 1024,
    "head_future_conv_layers": 16,
    "head_future_conv_seed": 65_536,
}


@dataclass(frozen=True)
class FracastShape:
    """The sizes in the `model` section of the package's `config.json`; `plain` is the whole file."""

    sizes: dict[str, int]
    hidden: int
    alpha: float
    quantiles: tuple[float, ...]
    plain: dict[str, Any]

    def __getitem__(self, name: str) -> int:
        return self.sizes[name]


def read_shape(config: dict[str, Any]) -> FracastShape:
    """Raises `UserError` `model:bad-config` for what is not Fracast-0's architecture or is beyond bounds."""
    model = config.get("model")
    if not isinstance(model, dict):
        raise _bad("it has no section 'model'")
    found = DEFAULTS | model
    for name, value in FIXED.items():
        if found.get(name) != value:
            raise _bad(f"model.{name} must be {value!r}")
    sizes = {}
    for name, most in LIMITS.items():
        size = found.get(name)
        if type(size) is not int or not 1 <= size <= most:
            raise _bad(f"model.{name} must be a whole number between 1 and {most:,}")
        sizes[name] = size
    mult, alpha = found.get("ffn_mult", 1.5), found.get("periodic_alpha", 0.05)
    if not all(isinstance(item, int | float) and 0 < item <= 16 for item in (mult, alpha)):
        raise _bad("model.ffn_mult and model.periodic_alpha must be numbers above 0")
    quantiles = found.get("quantiles")
    if not isinstance(quantiles, list) or not 1 <= len(quantiles) <= 99:
        raise _bad("model.quantiles must be a list of 1 to 99 numbers")
    if not all(isinstance(item, float) and 0 < item < 1 for item in quantiles):
        raise _bad("model.quantiles must lie between 0 and 1")
    if sorted(set(quantiles)) != quantiles:
        raise _bad("model.quantiles must rise")
    hidden = int(sizes["d_model"] * float(mult))
    return FracastShape(sizes, hidden, float(alpha), tuple(quantiles), config)


class Gated(nn.Module):
    """SwiGLU: `down(silu(gate) * value)`."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, 2 * hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.up(x).chunk(2, dim=-1)
        return self.down(F.silu(gate) * value)


def causal_filter(x: Tensor, weight: Tensor, bias: Tensor, dilation: int) -> Tensor:
    """Depthwise causal convolution over [B, steps, D], weight [D, 1, taps]; as shifted sums, which on a CPU
    take a fraction of what its dilated convolution takes."""
    taps, steps = weight.shape[2], x.shape[1]
    padded = F.pad(x, (0, 0, (taps - 1) * dilation, 0))
    total = bias.to(x.dtype)
    for tap in range(taps):
        total = total + padded[:, tap * dilation : tap * dilation + steps] * weight[:, 0, tap].to(x.dtype)
    return total


class Filter(nn.Module):
    """The block used at every scale: depthwise filter and mixing, then SwiGLU, both with RMS norms."""

    def __init__(self, width: int, taps: int, hidden: int) -> None:
        super().__init__()
        self.dw_weight = nn.Parameter(torch.empty(width, 1, taps))
        self.dw_bias = nn.Parameter(torch.zeros(width))
        self.pw = nn.Linear(width, width)
        nn.init.kaiming_uniform_(self.dw_weight, a=5**0.5)
        self.ffn = Gated(width, hidden)
        self.norm1 = nn.RMSNorm(width)
        self.norm2 = nn.RMSNorm(width)

    def forward(self, x: Tensor, dilation: int) -> Tensor:
        x = self.norm1((x + self.pw(causal_filter(x, self.dw_weight, self.dw_bias, dilation))).float())
        return self.norm2((x + self.ffn(x)).float())


class ScaleCondition(nn.Module):
    """A gain and an offset by channel for each dilation (FiLM), from waves of its logarithm."""

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.count = max(1, size // 2)
        self.to_gb = nn.Linear(2 * self.count, 2 * width)
        nn.init.zeros_(self.to_gb.weight)
        nn.init.zeros_(self.to_gb.bias)

    def forward(self, x: Tensor, dilation: int) -> Tensor:
        octave = torch.arange(self.count, device=x.device, dtype=torch.float32)
        angles = (math.log2(dilation) / torch.pow(2.0, octave)) * math.pi
        gain, offset = self.to_gb(torch.cat([angles.sin(), angles.cos()])).chunk(2, dim=-1)
        return x * (1.0 + gain) + offset


class Periodic(nn.Module):
    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(2 * count, width)

    def forward(self, steps: Tensor, periods: Tensor) -> Tensor:
        return self.proj(phase_waves(steps, periods))


class Core(nn.Module):
    """A normalised history [B, W] to hidden states [B, W, D]."""

    def __init__(self, shape: FracastShape) -> None:
        super().__init__()
        width = shape["d_model"]
        self.dilations = [shape["dilation_base"] ** stage for stage in range(shape["n_stages"])]
        self.in_proj = nn.Linear(7, width)
        self.periodic = Periodic(shape["periodic_topk"], width)
        self.block = Filter(width, shape["kernel_size"], shape.hidden)
        self.scale = ScaleCondition(width, shape["scale_cond_dim"])
        self.norm = nn.RMSNorm(width)

    def forward(self, values: Tensor, observed: Tensor, periods: Tensor) -> Tensor:
        steps = torch.arange(values.shape[1], device=values.device).expand(len(values), -1)
        features = [values.unsqueeze(-1), observed.unsqueeze(-1), recency(steps, values.shape[1])]
        x = self.in_proj(torch.cat(features, dim=-1)) + self.periodic(steps, periods)
        for dilation in self.dilations:
            x = self.block(self.scale(x, dilation), dilation)
        return self.norm(x.float())


class FutureStates(nn.Module):
    """States of the horizon: the end of the history goes on into a folded seasonal profile."""

    def __init__(self, shape: FracastShape) -> None:
        super().__init__()
        width = shape["d_model"]
        self.dilations = [shape["dilation_base"] ** i for i in range(shape["head_future_conv_layers"])]
        self.in_proj = nn.Linear(6, width)
        self.block = Filter(width, shape["kernel_size"], shape.hidden)
        self.out_proj = nn.Linear(width, width)
        nn.init.zeros_(self.out_proj.weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, tail: Tensor, profile: Tensor, places: Tensor) -> Tensor:
        future = self.in_proj(torch.cat([profile.unsqueeze(-1), places], dim=-1))
        x = torch.cat([tail.to(future.dtype), future], dim=1)
        for dilation in self.dilations:
            x = self.block(x, dilation)
        return self.out_proj(x[:, -profile.shape[1] :])


class Smooth(nn.Module):
    def __init__(self, width: int, taps: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.dw_weight = nn.Parameter(torch.empty(width, 1, taps))
        self.dw_bias = nn.Parameter(torch.zeros(width))
        nn.init.kaiming_uniform_(self.dw_weight, a=5**0.5)
        self.norm = nn.RMSNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm((x + causal_filter(x, self.dw_weight, self.dw_bias, self.dilation)).float())


class Head(nn.Module):
    """What `Fracast.features` gives to `[B, horizon, outputs]` in the units of the history.

    `horizon` at most the net's own; `picks`: which of its quantiles are wanted.
    """

    def __init__(self, shape: FracastShape, horizon: int, picks: list[int]) -> None:
        super().__init__()
        width, own = shape["d_model"], shape["horizon"]
        self.context, self.horizon, self.picks = shape["W"], horizon, picks
        self.summary_proj = nn.Linear(2 * width + 5, width)
        self.queries = nn.Parameter(torch.zeros(own, width))
        nn.init.normal_(self.queries, std=width**-0.5)
        layers, taps = range(shape["head_layers"]), shape["head_fc_kernel"]
        self.decoder_ffns = nn.ModuleList(Gated(width, shape["head_d_ff"]) for _ in layers)
        self.decoder_norms = nn.ModuleList(nn.RMSNorm(width) for _ in layers)
        self.fc_blocks = nn.ModuleList(Smooth(width, taps, 2**i) for i in range(shape["head_fc_layers"]))
        self.out_proj = nn.Linear(width, len(shape.quantiles))
        self.future_conv = FutureStates(shape)

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        mean, tail, profile = features["mean"], features["tail"], features["profile"]
        steps = self.context + torch.arange(profile.shape[1], device=mean.device)
        places = recency(steps.expand(len(mean), -1), self.context)
        summary = torch.cat([mean, tail[:, -1]], dim=-1).unsqueeze(1).expand(-1, profile.shape[1], -1)
        x = self.summary_proj(torch.cat([places, summary], dim=-1)) + self.queries
        for layer, norm in zip(self.decoder_ffns, self.decoder_norms, strict=True):
            x = norm((x + layer(x)).float())
        for block in self.fc_blocks:
            x = block(x)
        x = x + self.future_conv(tail, profile, places)
        found = self.out_proj(x).float()[:, : self.horizon, self.picks]
        return found * features["span"][:, None, None] + features["low"][:, None, None]


class Fracast(nn.Module):
    """`forward` maps `history` and `observed` [B, W] to [B, horizon, outputs]; covariates are not for it."""

    def __init__(self, shape: FracastShape, horizon: int, picks: list[int]) -> None:
        super().__init__()
        self.shape = shape
        self.core = Core(shape)
        self.head = Head(shape, horizon, picks)

    def features(self, history: Tensor, observed: Tensor) -> dict[str, Tensor]:
        """All that the head needs of a batch: mean [B, D], tail [B, 128, D], profile [B, horizon], low and
        span [B]. The history is brought to 0..1 by its least and greatest measured value."""
        low = history.masked_fill(~observed, math.inf).amin(1)
        span = (history.masked_fill(~observed, -math.inf).amax(1) - low).clamp_min(MIN_SPAN)
        values = ((history - low[:, None]) / span[:, None]).masked_fill(~observed, 0.0)
        # Nothing measured at all: the answer means nothing, but is a number.
        empty = ~observed.any(1)
        low, span = low.masked_fill(empty, 0.0), span.masked_fill(empty, 1.0)
        values = values.masked_fill(empty[:, None], 0.0)
        # Periods are counted in whole bins: half precision would move them.
        with torch.no_grad(), torch.autocast(history.device.type, enabled=False):
            shape = self.shape
            periods = significant_periods(
                values, observed, shape["periodic_min_period"], shape["periodic_topk"], shape.alpha
            )
            profile = folded_profile(
                values, observed, periods[:, 0], shape["horizon"], shape["head_phase_bins"]
            )
        hidden = self.core(values, observed.to(values.dtype), periods)
        tail = hidden[:, -min(shape["head_future_conv_seed"], shape["W"]) :]
        return {"mean": hidden.mean(1), "tail": tail, "profile": profile, "low": low, "span": span}

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        return cast(Tensor, self.head(self.features(inputs["history"], inputs["observed"])))

    def stages(self) -> list[list[str]]:
        """Parameter names below the head: the input, then the one filter all scales share."""
        names = [name for name, _ in self.core.named_parameters(prefix="core")]
        inner = [name for name in names if name.startswith(("core.block.", "core.scale.", "core.norm."))]
        return [[name for name in names if name not in inner], inner]


def _bad(reason: str) -> UserError:
    return UserError("model:bad-config", f"The model's config.json is not Fracast's: {reason}.")
