"""Pictures squeezed to a square, and their boxes as shares of its sides: what a detector learns from."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from training.detection.reading import Scenes
from training.errors import UserError
from training.images import open_image
from training.pixels import CHUNK, allocate
from training.tables import Source

# Annotators' rounding: so far may a box reach over the edge, in pixels or as a share of the side.
OVERHANG_PIXELS, OVERHANG_SHARE = 2.0, 0.01


def squeezed(image: Image.Image, size: int) -> np.ndarray:
    """RGB or grey image to uint8 [3, size, size]; sides are scaled apart, so that nothing is cut off."""
    pixels = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
    if pixels.ndim == 2:
        pixels = np.broadcast_to(pixels[..., None], (size, size, 3))
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def picture_chunks(
    scenes: Scenes, wanted: Sequence[int], size: int, out: Tensor | None = None
) -> Iterator[tuple[Tensor, np.ndarray]]:
    """Wanted rows (ascending), up to 256 at a time: uint8 [n, 3, size, size], and widths and heights before.

    With `out` the pixels are its slices, filled in order.
    """
    images, start = scenes.rows.images(set(wanted)), 0

    def decode(place: np.ndarray, row: int, source: Source) -> tuple[int, int]:
        image = open_image(source, scenes.rows.where(row))
        place[:] = squeezed(image, size)
        return image.size

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        while chunk := list(itertools.islice(images, CHUNK)):
            fresh = out is None
            pixels = (
                torch.empty((len(chunk), 3, size, size), dtype=torch.uint8)
                if out is None
                else out[start : start + len(chunk)]
            )
            sides = list(pool.map(decode, pixels.numpy(), *zip(*chunk, strict=True)))
            start += 0 if fresh else len(chunk)
            yield pixels, np.array(sides, dtype=np.float64)


def load_pictures(
    scenes: Scenes,
    wanted: Sequence[int],
    size: int,
    *,
    scratch: Path | None = None,
    check: Callable[[], None] = lambda: None,
) -> tuple[Tensor, np.ndarray]:
    """All wanted rows at once: uint8 [n, 3, size, size] and float64 [n, 2] of widths and heights before."""
    pixels = allocate((len(wanted), 3, size, size), scratch, f"pixels-{scenes.name}")
    sides = []
    for _, found in picture_chunks(scenes, wanted, size, pixels):
        sides.append(found)
        check()
    return pixels, np.concatenate(sides)


def shares(scenes: Scenes, wanted: Sequence[int], sides: np.ndarray) -> tuple[list[np.ndarray], int]:
    """Boxes of the wanted rows as shares of their pictures' sides, and how many were cut at the edge.

    Raises `UserError` `data:box-outside` for a box that leaves its picture by more than rounding explains.
    """
    found, cut = [], 0
    for row, side in zip(wanted, sides, strict=True):
        boxes = scenes.boxes[row]
        limit = np.tile(side, 2)
        slack = np.maximum(OVERHANG_PIXELS, OVERHANG_SHARE * limit)
        outside = ((boxes < -slack) | (boxes > limit + slack)).any(axis=1)
        inside = boxes.clip(0, limit)
        outside |= (inside[:, 2:] <= inside[:, :2]).any(axis=1)
        if outside.any():
            raise _outside(scenes, row, int(np.argmax(outside)), side)
        cut += int((inside != boxes).any(axis=1).sum())
        found.append(inside / limit)
    return found, cut


def _outside(scenes: Scenes, row: int, index: int, side: np.ndarray) -> UserError:
    told = ", ".join(f"{value:g}" for value in scenes.boxes[row][index])
    text = (
        f"Box {index + 1} of the picture {scenes.rows.where(row)} leaves it: left, top, right, bottom are "
        f"{told}, the picture has {side[0]:g} × {side[1]:g} pixels."
    )
    return UserError("data:box-outside", text)
