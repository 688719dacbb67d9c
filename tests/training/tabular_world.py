"""Houses small enough for one core: a price that two numbers and a district explain, with some noise."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from training.recipe import Recipe, parse_recipe

DISTRICTS = ("hill", "lake", "town")
COLUMNS = ("area", "age", "district", "garden", "price")


def houses(count: int, seed: int = 0, *, shift: float = 0.0) -> list[dict[str, Any]]:
    """Rows of cells as JSON has them; every tenth age is missing. `shift` is added to every price."""
    generator = np.random.default_rng(seed)
    rows = []
    for index in range(count):
        area, age = float(generator.uniform(40, 200)), int(generator.integers(0, 80))
        district = DISTRICTS[int(generator.integers(3))]
        garden = bool(generator.integers(2))
        noise = float(generator.normal(0, 5))
        price = 100 + 2 * area - age + 60 * (district == "lake") + 20 * garden + noise + shift
        cells = (round(area, 2), None if index % 10 == 9 else age, district, garden, round(price, 3))
        rows.append(dict(zip(COLUMNS, cells, strict=True)))
    return rows


def dear(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same houses with a class, `dear` or `cheap`, in place of the price."""
    kept = [{key: cell for key, cell in row.items() if key != "price"} for row in rows]
    for row, source in zip(kept, rows, strict=True):
        row["class"] = "dear" if source["price"] > 320 else "cheap"
    return kept


def write_csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def write_houses(folder: Path, *, train: int = 160, shift: float = 0.0) -> Path:
    write_csv(folder / "train.csv", houses(train, shift=shift))
    write_csv(folder / "test.csv", houses(60, seed=1, shift=shift))
    return folder


def write_dear(folder: Path, *, train: int = 160) -> Path:
    write_parquet(folder / "data" / "train-00000-of-00001.parquet", dear(houses(train)))
    write_parquet(folder / "data" / "test-00000-of-00001.parquet", dear(houses(60, seed=1)))
    return folder


def recipe(**sections: Any) -> Recipe:
    """A tiny net for a few epochs unless told otherwise; a `base_model` leaves `network` out."""
    task = sections.pop("task", "tabular-regression")
    target = "price" if task == "tabular-regression" else "class"
    plain: dict[str, Any] = {
        "task": task,
        "dataset": {"repo": "data", "target_column": target, **sections.pop("dataset", {})},
        "strategy": {"kind": "full", **sections.pop("strategy", {})},
        "optim": {"lr": 1e-2, "epochs": 4, "batch_size": 16, **sections.pop("optim", {})},
    }
    if "base_model" not in sections:
        plain |= {"init": "scratch", "network": {"width": 16, "depth": 2, **sections.pop("network", {})}}
    return parse_recipe({**plain, **sections})
