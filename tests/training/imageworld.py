"""Pictures that say a number by their brightness, and labels by their colours."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

CHANNELS = {"red": 0, "green": 1, "blue": 2}


def shade(level: float, generator: np.random.Generator) -> Image.Image:
    """Grey noise around `level`, 0 to 1."""
    noise = generator.normal(40 + 170 * level, 12, (36, 40)).clip(0, 255)
    return Image.fromarray(noise.astype(np.uint8))


def coloured(labels: Sequence[str], generator: np.random.Generator) -> Image.Image:
    """Noise with the channel of each label lifted."""
    pixels = generator.integers(0, 90, (36, 40, 3), dtype=np.uint8)
    for label in labels:
        pixels[..., CHANNELS[label]] += 150
    return Image.fromarray(pixels)


def write_rows(
    folder: Path,
    split: str,
    pictures: Sequence[Image.Image],
    rows: Sequence[dict[str, Any]],
    kind: str = "jsonl",
) -> Path:
    """A split of one picture a row: a table with files beside it, or Parquet with the pictures in it."""
    place = folder / split
    place.mkdir(parents=True, exist_ok=True)
    if kind == "parquet":
        cells = [
            {"image": {"bytes": _png(one), "path": None}, **row}
            for one, row in zip(pictures, rows, strict=True)
        ]
        pq.write_table(pa.Table.from_pylist(cells), place / "part.parquet")
        return folder
    named = [{"file_name": f"{index:03}.png", **row} for index, row in enumerate(rows)]
    for row, one in zip(named, pictures, strict=True):
        one.save(place / row["file_name"])
    if kind == "jsonl":
        (place / "metadata.jsonl").write_text("\n".join(map(json.dumps, named)) + "\n")
        return folder
    with (place / "metadata.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(named[0]))
        writer.writeheader()
        writer.writerows(named)
    return folder


def write_numbers(
    folder: Path, *, train: int = 48, test: int = 16, column: str = "target", kind: str = "jsonl"
) -> Path:
    """Prices from 100,000 to 300,000, told by brightness."""
    generator = np.random.default_rng(0)
    for split, count in (("train", train), ("test", test)):
        levels = generator.random(count)
        pictures = [shade(level, generator) for level in levels]
        rows = [{column: float(round(1e5 + 2e5 * level))} for level in levels]
        write_rows(folder, split, pictures, rows, kind)
    return folder


def write_tags(folder: Path, *, train: int = 48, test: int = 16, kind: str = "jsonl") -> Path:
    """Every subset of three colours in turn, the empty one too."""
    generator = np.random.default_rng(0)
    for split, count in (("train", train), ("test", test)):
        sets = [[name for bit, name in enumerate(CHANNELS) if number >> bit & 1] for number in range(count)]
        pictures = [coloured(names, generator) for names in sets]
        write_rows(folder, split, pictures, [{"labels": names} for names in sets], kind)
    return folder


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
