"""Shoppers and goods small enough for one core: two tastes, goods of two colours, ratings that follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.training.tabular_world import write_csv
from training.recipe import Recipe, parse_recipe

USERS, ITEMS = 24, 16


def meetings(seed: int = 0, share: float = 0.6) -> list[dict[str, Any]]:
    """Rows of who met what: odd shoppers like red goods (odd ones), even shoppers blue ones."""
    generator = np.random.default_rng(seed)
    rows = []
    for user in range(USERS):
        for item in range(ITEMS):
            if generator.random() > share:
                continue
            liked = user % 2 == item % 2
            rating = float(
                np.clip(round(4.5 * liked + 1.5 * (not liked) + generator.normal(0, 0.4), 1), 1, 5)
            )
            row = {"user": user, "item": f"g{item}", "rating": rating, "when": len(rows)}
            row |= {"taste": "odd" if user % 2 else "even", "colour": "red" if item % 2 else "blue"}
            rows.append(row)
    return rows


def split_rows(seed: int = 0) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A fifth of the meetings to test on, the same for the same seed."""
    rows = meetings(seed)
    held = np.random.default_rng(seed + 1).random(len(rows)) < 0.2
    train = [row for row, out in zip(rows, held, strict=True) if not out]
    return train, [row for row, out in zip(rows, held, strict=True) if out]


def write_meetings(folder: Path, *, likes: bool = False) -> Path:
    """`likes`: only what was liked, as clicks would say."""
    for name, rows in zip(("train", "test"), split_rows(), strict=True):
        write_csv(folder / f"{name}.csv", [row for row in rows if not likes or row["rating"] > 3])
    write_csv(folder / "goods.csv", goods())
    return folder


def goods() -> list[dict[str, Any]]:
    """Every good, and one that nobody has met."""
    rows = [
        {"item": f"g{item}", "colour": "red" if item % 2 else "blue", "name": f"Good {item}"}
        for item in range(ITEMS)
    ]
    return [*rows, {"item": "new", "colour": "red", "name": "New good"}]


def recipe(**sections: Any) -> Recipe:
    """Ratings by two small towers unless told otherwise."""
    plain: dict[str, Any] = {
        "task": "recommendation",
        "init": "scratch",
        "dataset": {"repo": "data", "rating_column": "rating", **sections.pop("dataset", {})},
        "network": {"width": 4, "dropout": 0.0, **sections.pop("network", {})},
        "strategy": {"kind": "full"},
        "optim": {"lr": 3e-2, "epochs": 15, "batch_size": 16, **sections.pop("optim", {})},
    }
    return parse_recipe({**plain, **sections})
