"""Pictures and masks of a split, decoded in parallel: checked, counted, and squeezed to one size."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from training.errors import UserError
from training.images import open_image
from training.pixels import allocate
from training.segmentation.masks import (
    LARGEST,
    Mask,
    open_mask,
    require_known,
    require_same_size,
    squeezed,
    squeezed_mask,
)
from training.segmentation.reading import Masks, Pair
from training.spec import ModelSpec

CHUNK = 64


@dataclass(frozen=True)
class Loaded:
    """`pixels` uint8 [n, 3, size, size] and `masks` uint8 [n, size, size]; `counts` [n, labels]: pixels of
    each class in the masks as they are on disk."""

    pixels: Tensor
    masks: Tensor
    counts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.masks)


def load_masks(
    split: Masks,
    wanted: Sequence[int],
    spec: ModelSpec,
    ignore: int,
    *,
    scratch: Path | None = None,
    check: Callable[[], None] = lambda: None,
) -> Loaded:
    """The wanted rows (ascending) at the net's size; large ones lie in files under `scratch`.

    Raises `UserError` that names the row for what is broken, of two sizes, or of a class without a name.
    """
    size, n, labels = spec.image_size, len(wanted), len(spec.labels)
    pixels = allocate((n, 3, size, size), scratch, f"pixels-{split.name}")
    masks = allocate((n, size, size), scratch, f"masks-{split.name}")
    counts = np.zeros((n, labels), dtype=np.int64)

    def one(place: int, picture: Image.Image, mask: Mask, where: str) -> None:
        pixels.numpy()[place] = squeezed(picture, size, spec.interpolation)
        masks.numpy()[place] = squeezed_mask(mask, size)
        counts[place] = require_known(mask, labels, ignore, where)

    def decode(place: int, pair: Pair) -> None:
        one(place, *opened(pair, split.where(pair.row)), split.where(pair.row))

    pairs = enumerate(split.pairs(set(wanted)))
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        # In chunks: a map over everything would queue every encoded picture at once.
        while chunk := list(itertools.islice(pairs, CHUNK)):
            check()
            for _ in pool.map(decode, *zip(*chunk, strict=True)):
                pass
    return Loaded(pixels, masks, counts)


def opened(pair: Pair, where: str) -> tuple[Image.Image, Mask]:
    """Picture and mask of a row, of one size."""
    picture, mask = open_image(pair.image, where), open_mask(pair.mask, where)
    require_same_size(mask, picture.width, picture.height, where)
    return picture, mask


def whole_pairs(split: Masks) -> Iterator[tuple[int, Image.Image, Mask]]:
    """Every row's number, picture and mask in their own size, in order."""
    for pair in split.pairs(set(range(len(split)))):
        picture, mask = opened(pair, split.where(pair.row))
        yield pair.row, picture, mask


def found_labels(split: Masks, rows: Sequence[int], ignore: int) -> tuple[str, ...]:
    """The names of the classes; where nobody names them, the indices up to the largest that occurs."""
    if split.labels is not None:
        return split.labels
    largest = -1
    for pair in split.pairs(set(rows)):
        counts = np.bincount(open_mask(pair.mask, split.where(pair.row)).reshape(-1), minlength=LARGEST + 1)
        counts[ignore] = 0
        largest = max(largest, int(np.flatnonzero(counts)[-1]) if counts.any() else -1)
    if largest < 0:
        text = f"Every pixel of the training masks is {ignore}, which dataset.ignore_index leaves out."
        raise UserError("data:no-labels", text)
    return tuple(str(index) for index in range(largest + 1))


def require_two(counts: NDArray[np.int64], labels: Sequence[str], ignore: int) -> None:
    """Raises `UserError` where there is nothing to tell apart; `counts` [n, labels] of the training rows."""
    present = np.flatnonzero(counts.sum(axis=0))
    if not len(present):
        text = f"Every pixel of the training masks is {ignore}, which dataset.ignore_index leaves out."
        raise UserError("data:no-labels", text)
    if len(present) == 1:
        only = labels[present[0]][:60]
        text = f"All pixels of the training masks are of one class, {only!r}; a net needs at least two."
        raise UserError("data:one-class", text)
