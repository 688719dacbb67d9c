"""Random views of a batch, drawn from the step's own generator so that a resumed run sees the same ones."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from training.randaugment import randaugment


def views(pixels: Tensor, kind: str, generator: torch.Generator) -> Tensor:
    """uint8 [B, 3, H, W] to floats in 0..1, changed as the preset `kind` says; the generator is on the CPU.

    Presets: none, light and strong (see `augment`), randaugment (two operations an image, strength 9 of 30).
    """
    if kind == "randaugment":
        return randaugment(pixels, generator).float().div_(255)
    return augment(pixels.float().div_(255), kind, generator)


def augment(images: Tensor, kind: str, generator: torch.Generator) -> Tensor:
    """[B, 3, H, W] in 0..1, same shape out. `generator` lives on the CPU.

    light: small shifts, zooms and turns, a little light; safe for digits and text, never mirrored.
    strong: larger ones, mirrored half of the time, contrast, and a square of each image blanked.
    """
    if kind == "none":
        return images
    strong = kind == "strong"
    n = len(images)

    def uniform(low: float, high: float) -> Tensor:
        return torch.empty(n).uniform_(low, high, generator=generator)

    turn = uniform(-0.26, 0.26) if strong else uniform(-0.13, 0.13)
    zoom = uniform(0.6, 1.1) if strong else uniform(0.9, 1.1)
    shift = [uniform(-0.2, 0.2) if strong else uniform(-0.08, 0.08) for _ in range(2)]
    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0) if strong else torch.ones(n)
    gain = uniform(0.6, 1.4) if strong else uniform(0.9, 1.1)
    contrast = uniform(0.6, 1.4) if strong else torch.ones(n)
    hole = [uniform(0, 1) for _ in range(2)]

    cos, sin = torch.cos(turn) * zoom, torch.sin(turn) * zoom
    rows = torch.stack([cos * mirror, -sin, shift[0], sin * mirror, cos, shift[1]], dim=1)
    matrix = rows.reshape(n, 2, 3).to(images.device)
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    images = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    images = (images - mean) * _per_image(contrast, images) + mean
    images = (images * _per_image(gain, images)).clamp(0, 1)
    return _blank(images, hole) if strong else images


def _per_image(values: Tensor, images: Tensor) -> Tensor:
    return values.to(images.device).reshape(-1, 1, 1, 1)


def _blank(images: Tensor, places: list[Tensor]) -> Tensor:
    """A grey square of a quarter of the side, somewhere in each image."""
    height, width = images.shape[2:]
    side = math.ceil(min(height, width) / 4)
    tops = (places[0] * (height - side)).long().to(images.device).reshape(-1, 1, 1)
    lefts = (places[1] * (width - side)).long().to(images.device).reshape(-1, 1, 1)
    y = torch.arange(height, device=images.device).reshape(1, -1, 1)
    x = torch.arange(width, device=images.device).reshape(1, 1, -1)
    inside = (y >= tops) & (y < tops + side) & (x >= lefts) & (x < lefts + side)
    return images.masked_fill(inside.unsqueeze(1), 0.5)
