"""Red and blue blocks on grey noise, with their exact boxes, in every layout that is read."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from training.recipe import Recipe, parse_recipe

SIZE = 64
CLASSES = ("red", "blue")
# Enough to find blocks.
BLOCK_RECIPE: dict[str, Any] = {"optim": {"epochs": 25, "lr": 5e-3, "batch_size": 8}}
Scene = tuple[Image.Image, list[list[float]], list[int]]


def scene(generator: np.random.Generator, objects: int, size: tuple[int, int] = (SIZE, SIZE)) -> Scene:
    """A picture of `size` pixels, its boxes as left, top, width, height, and their classes."""
    width, height = size
    pixels = generator.integers(90, 150, (height, width, 3), dtype=np.uint8)
    boxes, kinds = [], []
    for number in range(objects):
        w, h = generator.integers(width // 3, width // 2), generator.integers(height // 3, height // 2)
        # Side by side: nothing hides anything.
        left = int(generator.integers(0, width // 2 - w + 1)) + (width // 2) * (number % 2)
        top = int(generator.integers(0, height - h + 1))
        kind = int(generator.integers(2))
        pixels[top : top + h, left : left + w] = (230, 20, 20) if kind == 0 else (20, 20, 230)
        boxes.append([float(left), float(top), float(w), float(h)])
        kinds.append(kind)
    return Image.fromarray(pixels), boxes, kinds


def scenes(count: int, seed: int = 0) -> list[Scene]:
    """The first without an object, the others with one or two."""
    generator = np.random.default_rng(seed)
    return [scene(generator, 0 if index == 0 else 1 + index % 2) for index in range(count)]


def write_scenes(folder: Path, splits: dict[str, Sequence[Scene]], layout: str = "parquet") -> Path:
    """`parquet`, `parquet-list`, `jsonl`, `csv`, `roboflow` or `coco`."""
    writer = {"roboflow": _write_coco, "coco": _write_coco}.get(layout) or _write_rows
    for split, made in splits.items():
        writer(folder, split, made, layout)
    return folder


def cell(boxes: list[list[float]], kinds: Sequence[Any]) -> dict[str, Any]:
    return {"bbox": boxes, "category": list(kinds)}


def write_cells(folder: Path, cells: Sequence[Any], layout: str = "jsonl") -> Path:
    """A training split of grey pictures with these cells."""
    grey = Image.new("RGB", (SIZE, SIZE), (120, 120, 120))
    rows = [(grey, one) for one in cells]
    (_write_parquet if layout == "parquet" else _write_jsonl)(folder, "train", rows)
    return folder


def recipe(**sections: Any) -> Recipe:
    """A full fine-tune of a thin FCOS, two epochs unless told otherwise."""
    plain: dict[str, Any] = {
        "task": "object-detection",
        "base_model": {"repo": "base"},
        "dataset": {"repo": "data", "image_size": SIZE, **sections.pop("dataset", {})},
        "network": sections.pop("network", {"width": 64, "depth": 1}),
        "strategy": {"kind": "full", **sections.pop("strategy", {})},
        "optim": {"lr": 3e-3, "epochs": 2, "batch_size": 8, **sections.pop("optim", {})},
        **sections,
    }
    return parse_recipe({name: value for name, value in plain.items() if value is not None})


def _write_rows(folder: Path, split: str, made: Sequence[Scene], layout: str) -> None:
    rows = []
    for image, boxes, kinds in made:
        named = [CLASSES[kind] for kind in kinds]
        found: Any = cell(boxes, named)
        if layout == "parquet-list":
            found = [{"bbox": box, "category": kind} for box, kind in zip(boxes, named, strict=True)]
        rows.append((image, json.dumps(found) if layout == "csv" else found))
    {"jsonl": _write_jsonl, "csv": _write_csv}.get(layout, _write_parquet)(folder, split, rows)


def _write_parquet(folder: Path, split: str, rows: Sequence[tuple[Image.Image, Any]]) -> None:
    (folder / "data").mkdir(parents=True, exist_ok=True)
    cells = [{"image": {"bytes": png(image), "path": None}, "objects": found} for image, found in rows]
    # A first row with objects tells Arrow the types of the lists.
    table = pa.Table.from_pylist(cells[::-1]).take(pa.array(range(len(cells))[::-1]))
    pq.write_table(table, folder / "data" / f"{split}-00000-of-00001.parquet")


def _write_jsonl(folder: Path, split: str, rows: Sequence[tuple[Image.Image, Any]]) -> None:
    lines = [json.dumps({"file_name": name, "objects": found}) for name, found in _saved(folder, split, rows)]
    (folder / split / "metadata.jsonl").write_text("\n".join(lines) + "\n")


def _write_csv(folder: Path, split: str, rows: Sequence[tuple[Image.Image, Any]]) -> None:
    import csv

    named = _saved(folder, split, rows)
    with (folder / split / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file_name", "objects"), *named])


def _write_coco(folder: Path, split: str, made: Sequence[Scene], layout: str) -> None:
    named = _saved(folder, split, [(image, None) for image, _, _ in made])
    annotations = []
    for picture, (_, boxes, kinds) in enumerate(made):
        annotations += [
            {"id": len(annotations) + place, "image_id": picture, "bbox": box, "category_id": kind + 1}
            for place, (box, kind) in enumerate(zip(boxes, kinds, strict=True))
        ]
    categories = [
        {"id": index + 1, "name": name, "supercategory": "blocks"} for index, name in enumerate(CLASSES)
    ]
    plain = {
        "images": [{"id": index, "file_name": name} for index, (name, _) in enumerate(named)],
        "annotations": annotations,
        "categories": [{"id": 0, "name": "blocks", "supercategory": "none"}, *categories],
    }
    file = folder / split / "_annotations.coco.json"
    if layout == "coco":
        file = folder / "annotations" / f"instances_{split}2017.json"
        file.parent.mkdir(exist_ok=True)
        (folder / split).rename(folder / f"{split}2017")
    file.write_text(json.dumps(plain))


def _saved(folder: Path, split: str, rows: Sequence[tuple[Image.Image, Any]]) -> list[tuple[str, Any]]:
    (folder / split).mkdir(parents=True, exist_ok=True)
    named = [(f"{index:03}.png", found) for index, (_, found) in enumerate(rows)]
    for (name, _), (image, _) in zip(named, rows, strict=True):
        image.save(folder / split / name)
    return named


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
