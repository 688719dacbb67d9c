"""Pictures of a split to uint8 pixel tensors, decoded in parallel, in memory or in a file."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from training.images import Geometry, open_image, to_planes
from training.tables import Rows, Source

MEMORY_BYTES = 1024 * 1024 * 1024
CHUNK = 256


class Pictures(Protocol):
    """A split whose images can be read. `strata`: a number a row; a holdout keeps the shares of each."""

    @property
    def name(self) -> str: ...

    @property
    def rows(self) -> Rows: ...

    @property
    def strata(self) -> Sequence[int]: ...

    def __len__(self) -> int: ...


def pixel_chunks(
    split: Pictures, wanted: Sequence[int], geometry: Geometry, out: Tensor | None = None
) -> Iterator[Tensor]:
    """Decode the wanted rows (ascending), to uint8 [up to 256, 3, size, size] at a time.

    With `out` [n, 3, size, size] the chunks are its slices, filled in order.
    """
    images = split.rows.images(set(wanted))
    start = 0

    def decode(place: np.ndarray, row: int, source: Source) -> None:
        place[:] = to_planes(open_image(source, split.rows.where(row)), geometry)

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        # In chunks: a map over everything would queue every encoded image at once.
        while chunk := list(itertools.islice(images, CHUNK)):
            shape = (len(chunk), 3, geometry.size, geometry.size)
            pixels = torch.empty(shape, dtype=torch.uint8) if out is None else out[start : start + len(chunk)]
            for _ in pool.map(decode, pixels.numpy(), *zip(*chunk, strict=True)):
                pass
            yield pixels
            start += len(chunk)


def load_pixels(
    split: Pictures,
    wanted: Sequence[int],
    geometry: Geometry,
    *,
    scratch: Path | None = None,
    check: Callable[[], None] = lambda: None,
) -> Tensor:
    """All wanted rows (ascending) at once, uint8 [n, 3, size, size].

    Beyond 1 GiB the tensor lies in a file under `scratch`: the machine's page cache decides what stays.
    """
    pixels = allocate((len(wanted), 3, geometry.size, geometry.size), scratch, f"pixels-{split.name}")
    for _ in pixel_chunks(split, wanted, geometry, pixels):
        check()
    return pixels


def allocate(shape: tuple[int, ...], scratch: Path | None, name: str) -> Tensor:
    """An uint8 tensor in memory; beyond 1 GiB in a file under `scratch`, where there is one."""
    size = torch.Size(shape).numel()
    if size <= MEMORY_BYTES or scratch is None:
        # NumPy asks the system for large pages, torch does not: first touching them costs a third.
        return torch.from_numpy(np.empty(shape, dtype=np.uint8))
    scratch.mkdir(parents=True, exist_ok=True)
    path = scratch / re.sub(r"[^A-Za-z0-9-]", "_", name)
    return torch.from_file(str(path), shared=True, size=size, dtype=torch.uint8).reshape(shape)
