"""Hourly series small enough for one core: a daily wave with a weekly swing, and a little noise."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from training.recipe import Recipe, parse_recipe

SLICES = Path(__file__).resolve().parents[1] / "slices"
START = datetime(2024, 1, 1)


def wave(hours: int, seed: int = 0, level: float = 50.0) -> np.ndarray:
    """Mean `level`, spread a fifth of it."""
    steps = np.arange(hours)
    noise = np.random.default_rng(seed).normal(size=hours)
    day, week = np.sin(2 * np.pi * steps / 24), np.sin(2 * np.pi * steps / 168)
    return level * (1 + 0.2 * day + 0.1 * week + 0.02 * noise)


def lines(values: np.ndarray, first: int = 0) -> list[str]:
    """CSV lines of time and value; NaN is an empty cell."""
    times = [START + timedelta(hours=first + step) for step in range(len(values))]
    cells = ["" if np.isnan(value) else f"{value:.6f}" for value in values]
    return [f"{time:%Y-%m-%d %H:%M},{cell}" for time, cell in zip(times, cells, strict=True)]


def write_csv(folder: Path, split: str, rows: list[str], head: str = "timestamp,value") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{split}.csv").write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return folder


def write_waves(folder: Path, hours: int = 600) -> Path:
    """Train, validation and test, one after the other: 70, 10 and 20 %."""
    rows = lines(wave(hours))
    cuts = {"train": (0, 7), "validation": (7, 8), "test": (8, 10)}
    for split, (start, stop) in cuts.items():
        write_csv(folder, split, rows[hours * start // 10 : hours * stop // 10])
    return folder


def write_fracast(folder: Path) -> Path:
    """Fracast in miniature (64 steps to 6, quantiles 0.1, 0.5, 0.9), as the package lays it out."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = load_file(SLICES / "fracast-tiny.safetensors")
    weights = {name[8:]: item for name, item in tensors.items() if name.startswith("weights.")}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text((SLICES / "fracast-tiny.json").read_text())
    return folder


def golden() -> tuple[torch.Tensor, torch.Tensor]:
    """Histories and the forecasts that the `fracast` package 0.1.0 makes of them with these weights."""
    tensors = load_file(SLICES / "fracast-tiny.safetensors")
    return tensors["history"], tensors["forecast"]


def recipe(kind: str = "nlinear", **sections: Any) -> Recipe:
    """A short run from scratch unless a base is named."""
    data = {"repo": "data", "validation_split": "validation", "context": 48, "horizon": 6}
    plain: dict[str, Any] = {
        "task": "time-series-forecasting",
        "dataset": {**data, **sections.pop("dataset", {})},
        "strategy": {"kind": "full"},
        "optim": {"lr": 1e-2, "epochs": 2, "batch_size": 32, **sections.pop("optim", {})},
        **sections,
    }
    if "base_model" not in plain:
        plain |= {"init": "scratch", "network": {"kind": kind, "width": 16, "depth": 1, "heads": 2}}
    return parse_recipe(plain)


def fracast_recipe(**sections: Any) -> Recipe:
    data = {"context": 64, "max_train_windows": 40, **sections.pop("dataset", {})}
    return recipe(base_model={"repo": "base"}, dataset=data, **sections)


def show(plain: dict[str, Any]) -> str:
    return json.dumps(plain)
