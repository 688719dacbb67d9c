"""Splits to files: Parquet as `datasets` writes it, or JSON lines where people read the rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bench.assets.cards import Card, write_dataset_card
from training.demodata import IMAGE_TYPE


def write_dataset(folder: Path, card: Card, tables: Mapping[str, pa.Table]) -> None:
    """`data/SPLIT-00000-of-00001.parquet` for every split, and the card."""
    (folder / "data").mkdir()
    for name, table in tables.items():
        features = json.dumps({"info": {"features": _features(table.schema, card.classes)}})
        marked = table.replace_schema_metadata({"huggingface": features})
        # Small row groups: images are read a group at a time.
        rows = 1_000 if IMAGE_TYPE in table.schema.types else 100_000
        pq.write_table(marked, folder / "data" / f"{name}-00000-of-00001.parquet", row_group_size=rows)
    write_dataset_card(folder, card, tables, "-*")


def write_jsonl(folder: Path, card: Card, splits: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """`data/SPLIT.jsonl`, an object a line, for every split, and the card."""
    (folder / "data").mkdir()
    tables = {}
    for name, rows in splits.items():
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        (folder / "data" / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        tables[name] = pa.Table.from_pylist([dict(row) for row in rows])
    write_dataset_card(folder, card, tables, ".jsonl")


def part(table: pa.Table, splits: Mapping[str, Sequence[int]]) -> dict[str, pa.Table]:
    """The rows of each split, in the order given."""
    return {name: table.take(pa.array(rows, pa.int64())) for name, rows in splits.items()}


def image_cells(images: Sequence[bytes], paths: Sequence[str]) -> pa.Array:
    """Encoded images as the struct{bytes, path} of `datasets`."""
    cells = [{"bytes": image, "path": path} for image, path in zip(images, paths, strict=True)]
    return pa.array(cells, IMAGE_TYPE)


def _features(schema: pa.Schema, classes: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """`datasets`' own description, for the columns whose meaning the Arrow type does not tell."""
    found: dict[str, Any] = {}
    for item in schema:
        if item.type == IMAGE_TYPE:
            found[item.name] = {"_type": "Image"}
        elif item.name in classes:
            found[item.name] = {"names": list(classes[item.name]), "_type": "ClassLabel"}
        elif pa.types.is_list(item.type) or pa.types.is_struct(item.type):
            continue
        else:
            kind = {"double": "float64", "float": "float32"}.get(str(item.type), str(item.type))
            found[item.name] = {"dtype": kind, "_type": "Value"}
    return found
