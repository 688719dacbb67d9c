"""Windows as the loop takes them: standardised inputs and targets, or features of a frozen body."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from training.errors import UserError
from training.featurecache import FeatureKey, cached_features
from training.series.fracast import Fracast
from training.series.windows import Scaler, Windows

Batch = dict[str, Tensor]
FEATURE_BATCH = 16
# Of so many windows the pace of a frozen body can be told.
ENOUGH_WINDOWS = 12 * FEATURE_BATCH
MAX_FEATURE_BYTES = 8 * 1024 * 1024 * 1024


@dataclass(frozen=True)
class WindowExamples:
    """Histories and horizons in units of their track: mean 0 and spread 1 over the part to learn from.

    Inputs: `history`, `observed` [B, context], `past` [B, context, k], `known` [B, horizon, k]. Targets:
    `values`, `observed` [B, horizon] and, [B], `mean`, `std` and `naive` in the series' own unit.
    """

    windows: Windows
    scaler: Scaler

    def __len__(self) -> int:
        return len(self.windows)

    def take(self, rows: Tensor, device: torch.device, seed: int | None = None) -> tuple[Batch, Batch]:
        """One batch on `device`; nothing about it is random."""
        history, observed = self.windows.history(rows)
        mean, std = self.scale(rows)
        inputs = {"history": (history - mean[:, None]) / std[:, None], "observed": observed}
        inputs |= self.windows.covariates(rows, self.scaler)
        return _to(inputs, device), self.targets(rows, device)

    def targets(self, rows: Tensor, device: torch.device) -> Batch:
        """The second half of `take`."""
        values, measured = self.windows.future(rows)
        mean, std = self.scale(rows)
        naive = self.scaler.naive[self.windows.series[rows], self.windows.targets[rows]]
        scaled = (values - mean[:, None]) / std[:, None]
        found = {"values": scaled, "observed": measured, "mean": mean, "std": std, "naive": naive}
        return _to(found, device)

    def pick(self, rows: list[int]) -> WindowExamples:
        """Some of the windows."""
        return (
            self if len(rows) == len(self) else replace(self, windows=self.windows.pick(torch.tensor(rows)))
        )

    def scale(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and spread [B] of the tracks that the windows are of."""
        place = self.windows.series[rows], self.windows.targets[rows]
        return self.scaler.mean[place], self.scaler.std[place]

    def fingerprint(self) -> str:
        """Over everything that `take` reads."""
        digest = hashlib.sha256(f"{self.windows.context}|{self.windows.horizon}".encode())
        windows, panel = self.windows, self.windows.panel
        parts = (windows.flat, windows.observed, windows.origins, windows.targets, panel.known, panel.past)
        for tensor in (*parts, *vars(self.scaler).values()):
            digest.update(str(tuple(tensor.shape)).encode())
            digest.update(tensor.numpy().tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class FeatureExamples:
    """What Fracast's frozen body says of each window, [n, d] as the cache keeps it, beside the targets."""

    table: Tensor
    tail: tuple[int, int]
    profile: int
    examples: WindowExamples

    def __len__(self) -> int:
        return len(self.table)

    def take(self, rows: Tensor, device: torch.device, seed: int | None = None) -> tuple[Batch, Batch]:
        """Features as `Head` takes them; nothing about them is random."""
        steps, width = self.tail
        sizes = [width, steps * width, self.profile, 1, 1]
        mean, tail, profile, low, span = self.table[rows].split(sizes, dim=1)
        found = {"mean": mean, "tail": tail.reshape(-1, steps, width), "profile": profile}
        found |= {"low": low[:, 0], "span": span[:, 0]}
        return _to(found, device), self.examples.targets(rows, device)

    def fingerprint(self) -> str:
        """Of the windows; the body belongs to the network."""
        return self.examples.fingerprint()


def to_features(
    net: Fracast, examples: WindowExamples, cache_dir: Path, device: torch.device, check: Callable[[], None]
) -> FeatureExamples:
    """One pass through the frozen body, or none where the cache knows these windows."""
    shape = net.shape
    tail = (min(shape["head_future_conv_seed"], shape["W"]), shape["d_model"])
    width = shape["d_model"] * (1 + tail[0]) + shape["horizon"] + 2
    if 4 * width * len(examples) > MAX_FEATURE_BYTES:
        text = f"The features of {len(examples):,} windows would fill {4 * width * len(examples) >> 30} GiB"
        raise UserError("data:too-large", f"{text}; choose a smaller dataset.max_train_windows.")

    def compute() -> Tensor:
        table = torch.empty(len(examples), width)
        net.eval()
        with torch.inference_mode():
            for rows in torch.arange(len(examples)).split(FEATURE_BATCH):
                check()
                inputs, _ = examples.take(rows, device)
                found = net.features(inputs["history"], inputs["observed"])
                flat = [found["mean"], found["tail"].flatten(1), found["profile"]]
                flat += [found["low"][:, None], found["span"][:, None]]
                table[rows] = torch.cat(flat, dim=1).float().cpu()
        return table

    images, how = examples.fingerprint(), {"context": shape["W"]}
    key = FeatureKey.of(net.core, preprocessing=how, images=images, device=device, layer="fracast")
    return FeatureExamples(cached_features(key, cache_dir, compute), tail, shape["horizon"], examples)


def _to(batch: Batch, device: torch.device) -> Batch:
    return {name: tensor.to(device) for name, tensor in batch.items()}
