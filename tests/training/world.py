"""A world small enough for one core: a tiny residual net and pictures told apart by their colour."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from training import vision
from training.recipe import Recipe, parse_recipe
from training.reporting import SilentReporter
from training.spec import ModelSpec, write_spec
from training.weights import write_weights

SIZE = 32


def write_base(
    folder: Path, architecture: str = "test_resnet", library: str = "timm", labels: tuple[str, ...] = ()
) -> Path:
    """A base model repo with seeded random weights."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(7)
    classes = len(labels) or 10
    net = vision.build_net(library, architecture, classes, SIZE)
    write_weights(folder / "model.safetensors", net.state_dict())
    spec = ModelSpec(
        architecture, library, classes, labels, image_size=SIZE, mean=(0.5,) * 3, std=(0.25,) * 3
    )
    write_spec(folder, spec, vision.head_width(net, vision.head_name(net)))
    return folder


def picture(kind: str, generator: np.random.Generator) -> Image.Image:
    """Noise with one channel lifted: red for `cat`, blue for anything else."""
    pixels = generator.integers(0, 120, (36, 40, 3), dtype=np.uint8)
    pixels[..., 0 if kind == "cat" else 2] += 120
    return Image.fromarray(pixels)


def write_images(
    folder: Path, *, train: int = 32, test: int = 8, kinds: tuple[str, ...] = ("cat", "dog")
) -> Path:
    """An image folder with `train` and `test` pictures of each kind."""
    generator = np.random.default_rng(0)
    for split, count in (("train", train), ("test", test)):
        for kind in kinds:
            place = folder / split / kind
            place.mkdir(parents=True, exist_ok=True)
            for index in range(count):
                picture(kind, generator).save(place / f"{index:03}.png")
    return folder


def recipe(**sections: Any) -> Recipe:
    """A full fine-tune of two short epochs unless told otherwise."""
    plain: dict[str, Any] = {
        "base_model": {"repo": "base"},
        "dataset": {"repo": "data", **sections.pop("dataset", {})},
        "strategy": {"kind": "full", **sections.pop("strategy", {})},
        "optim": {"lr": 1e-2, "epochs": 2, "batch_size": 8, **sections.pop("optim", {})},
        **sections,
    }
    return parse_recipe(plain)


class Listener(SilentReporter):
    """Remembers everything it is told; raises `ending` at the check after `stop_at` reports."""

    def __init__(self, stop_at: int | None = None, ending: Exception | None = None) -> None:
        self.reports: list[tuple[int, int, dict[str, float]]] = []
        self.logs: list[str] = []
        self.stages: list[str] = []
        self.stop_at, self.ending = stop_at, ending

    def stage(self, name: str) -> None:
        self.stages.append(name)

    def log(self, text: str) -> None:
        self.logs.append(text)

    def report(self, step: int, total_steps: int, metrics: dict[str, float]) -> None:
        self.reports.append((step, total_steps, metrics))

    def check(self) -> None:
        if self.ending and self.stop_at is not None and len(self.reports) >= self.stop_at:
            raise self.ending

    def losses(self) -> list[tuple[int, float]]:
        return [(step, metrics["train/loss"]) for step, _, metrics in self.reports]

    def with_means(self, history: list[dict[str, float]]) -> list[float]:
        """The losses as told, at an epoch's end the mean of the whole epoch."""
        means = {int(row["step"]): row["train/loss"] for row in history}
        return list((dict(self.losses()) | means).values())
