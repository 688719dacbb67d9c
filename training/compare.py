"""Two models on the same rows: is one better, or is it chance?"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.errors import UserError
from training.measures.errors import mae_rows, r2_rows, rmse_rows
from training.measures.paired import Comparison, compare, compare_accuracy
from training.recipe import Recipe
from training.reporting import Reporter
from training.tasks import task_kind

Rows = tuple[NDArray[Any], NDArray[Any]]
# Of numbers: the measure and whether more of it is better.
NUMBERS: dict[str, tuple[Callable[..., Any], bool]] = {
    "r2": (r2_rows, True),
    "rmse": (rmse_rows, False),
    "mae": (mae_rows, False),
}


def compare_models(
    first: Path,
    second: Path,
    data_dir: Path,
    split: str,
    *,
    recipes: tuple[Recipe, Recipe],
    names: tuple[str, str],
    reporter: Reporter,
) -> dict[str, Comparison]:
    """Paired comparisons by metric: accuracy of classes, or R², RMSE and MAE of numbers.

    Both models answer every row of the split. Raises `UserError` where the two do different tasks, where a
    task has no single truth a row, or where they do not agree about what is true.
    """
    if recipes[0].task != recipes[1].task:
        text = f"{names[0]} does {recipes[0].task}, {names[1]} {recipes[1].task}: they cannot be compared."
        raise UserError("compare:tasks", text)
    kind = task_kind(recipes[0].task)
    told = []
    for model_dir, recipe in zip((first, second), recipes, strict=True):
        report = kind.evaluate(model_dir, data_dir, split, recipe=recipe, reporter=reporter)
        rows: Rows | None = getattr(report, "told", None)
        if rows is None:
            text = f"Runs of {recipe.task} have no single truth a row; compare their intervals instead."
            raise UserError("compare:rows", text)
        told.append((rows, report.as_dict().get("labels", [])))
    return _compared(told, names)


def _compared(told: list[tuple[Rows, list[str]]], names: tuple[str, str]) -> dict[str, Comparison]:
    (one, own), (other, theirs) = told
    if own or theirs:
        # Each model numbers its classes in its own order: they are matched by name.
        place = {label: index for index, label in enumerate(dict.fromkeys([*own, *theirs]))}
        one, other = _renumbered(one, own, place), _renumbered(other, theirs, place)
    if len(one[0]) != len(other[0]) or not np.array_equal(one[0], other[0]):
        text = (
            f"{names[0]} and {names[1]} read other truths from the split: see the columns in their recipes."
        )
        raise UserError("compare:truth", text)
    if own or theirs:
        return {"accuracy": compare_accuracy(one[0], one[1], other[1], names=names)}
    return {
        metric: compare(measure, one, other, names=names, higher_is_better=more, unit="", batched=True)
        for metric, (measure, more) in NUMBERS.items()
    }


def _renumbered(rows: Rows, labels: list[str], place: dict[str, int]) -> Rows:
    table = np.array([place[label] for label in labels], dtype=np.int64)
    return table[rows[0]], table[rows[1]]


def told_in_words(found: dict[str, Comparison]) -> str:
    """A line a metric."""
    return "\n".join(
        f"{metric}: {one.names[0]} {one.first:.4g}, {one.names[1]} {one.second:.4g} on {one.rows} rows. "
        f"{one.verdict}"
        for metric, one in found.items()
    )


def told_as_json(found: dict[str, Comparison]) -> str:
    return json.dumps({metric: one.as_dict() for metric, one in found.items()}, indent=2)
