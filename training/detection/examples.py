"""Rows for the loop: pictures or what a frozen body says of them, with their boxes; flips that move both."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

# Of an object that a random cut leaves at the edge, less than this share is no object any more.
LEAST_VISIBLE = 0.25
Truth = list[dict[str, Tensor]]


@dataclass(frozen=True)
class Objects:
    """`boxes[i]` float32 [k, 4] as shares of the picture's sides; `labels[i]` int64 [k] from 0."""

    boxes: list[Tensor]
    labels: list[Tensor]

    @classmethod
    def of(cls, boxes: Sequence[np.ndarray], kinds: Sequence[np.ndarray]) -> Objects:
        return cls([torch.from_numpy(one).float() for one in boxes], [torch.from_numpy(one) for one in kinds])

    def __len__(self) -> int:
        return len(self.boxes)

    def take(self, rows: Tensor) -> Truth:
        return [{"boxes": self.boxes[row], "labels": self.labels[row]} for row in rows.tolist()]

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for boxes, labels in zip(self.boxes, self.labels, strict=True):
            digest.update(
                len(labels).to_bytes(4, "little") + boxes.numpy().tobytes() + labels.numpy().tobytes()
            )
        return digest.hexdigest()


@dataclass(frozen=True)
class PictureRows:
    """`pixels` uint8 [n, 3, size, size]. Inputs: `images` float32 in 0..1, and the truth for the losses."""

    pixels: Tensor
    objects: Objects
    augment: str = "none"

    def __len__(self) -> int:
        return len(self.objects)

    def fingerprint(self) -> str:
        return self.objects.fingerprint()

    def take(
        self, rows: Tensor, device: torch.device, seed: int | None = None
    ) -> tuple[dict[str, Any], Truth]:
        images, truth = self.pixels[rows].to(device).float().div_(255), self.objects.take(rows)
        if seed is not None and self.augment == "light":
            images, truth = light(images, truth, torch.Generator().manual_seed(seed))
        return {"images": images, "truth": _moved(truth, device)}, truth


@dataclass(frozen=True)
class MapRows:
    """`maps`: what a frozen body says, float32 [n, channels, height, width] a level, of the same pictures."""

    maps: dict[str, Tensor]
    objects: Objects

    def __len__(self) -> int:
        return len(self.objects)

    def fingerprint(self) -> str:
        return self.objects.fingerprint()

    def take(
        self, rows: Tensor, device: torch.device, seed: int | None = None
    ) -> tuple[dict[str, Any], Truth]:
        truth = self.objects.take(rows)
        maps = {name: item[rows].to(device) for name, item in self.maps.items()}
        return {"maps": maps, "truth": _moved(truth, device)}, truth


def light(images: Tensor, truth: Truth, generator: torch.Generator) -> tuple[Tensor, Truth]:
    """Mirrored half of the time, zoomed, moved, a little light: [B, 3, H, W] in 0..1, same shape out.

    Boxes go along; what is left of an object in sight stays its box, an object mostly cut off is none.
    `generator` is on the CPU.
    """
    n = len(images)

    def uniform(low: float, high: float) -> Tensor:
        return torch.empty(n).uniform_(low, high, generator=generator)

    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    zoom, shift = uniform(0.75, 1.15), torch.stack([uniform(-0.1, 0.1), uniform(-0.1, 0.1)], 1)
    gain = uniform(0.85, 1.15)
    zero = torch.zeros(n)
    # Where a pixel of the new picture comes from, both from -1 to 1: x = mirror zoom x' + shift.
    matrix = torch.stack([mirror * zoom, zero, shift[:, 0], zero, zoom, shift[:, 1]], 1).reshape(n, 2, 3)
    grid = F.affine_grid(matrix.to(images.device), list(images.shape), align_corners=False)
    images = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    images = (images * gain.to(images.device).reshape(-1, 1, 1, 1)).clamp(0, 1)
    scale = torch.stack([mirror * zoom, zoom], 1)
    return images, [_carried(one, scale[index], shift[index]) for index, one in enumerate(truth)]


def _carried(one: dict[str, Tensor], scale: Tensor, shift: Tensor) -> dict[str, Tensor]:
    """The objects of a picture after x' = (x - shift) / scale, in shares of its sides."""
    ends = (one["boxes"].reshape(-1, 2, 2) * 2 - 1 - shift) / scale
    ends = (ends + 1) / 2
    whole = torch.cat([ends.amin(1), ends.amax(1)], 1)
    seen = whole.clamp(0, 1)
    area, left = _areas(whole), _areas(seen)
    kept = left > LEAST_VISIBLE * area
    return {"boxes": seen[kept], "labels": one["labels"][kept]}


def _areas(boxes: Tensor) -> Tensor:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _moved(truth: Truth, device: torch.device) -> Truth:
    return [{name: item.to(device) for name, item in one.items()} for one in truth]
