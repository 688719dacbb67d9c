"""The rows of a recipe's splits: read, held out, thinned, encoded."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.data import set_aside, thin
from training.errors import UserError
from training.recipe import Recipe, TableData
from training.tabular.columns import Table
from training.tabular.encoding import Encoder
from training.tabular.reading import read_table
from training.tasks.base import Plan


@dataclass(frozen=True)
class TableRows:
    """`numbers` float32 [n, d], `places` int64 [n, c]; `targets` float32 or int64 [n]."""

    numbers: Tensor
    places: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for item in (self.numbers, self.places, self.targets):
            digest.update(item.numpy().tobytes())
        return digest.hexdigest()

    def take(
        self, rows: Tensor, device: torch.device, seed: int | None = None
    ) -> tuple[tuple[Tensor, Tensor], Tensor]:
        inputs = self.numbers[rows].to(device), self.places[rows].to(device)
        return inputs, self.targets[rows].to(device)


class Splits:
    """The recipe's tables, read: `train` and `val` hold rows to learn from and to validate on."""

    def __init__(self, plan: Plan, *, by_class: bool) -> None:
        recipe, data = plan.recipe, table_data(plan.recipe)
        whole = read_split(plan.data_dir, data.train_split, data)
        strata = _strata(whole, data.target_column) if by_class else [0] * whole.rows
        rows = list(range(whole.rows))
        self.val: Table | None = None
        if data.validation_split:
            self.val = read_split(plan.data_dir, data.validation_split, data)
        else:
            rows, held = set_aside(strata, data, recipe.seed)
            self.val = whole.take(np.array(held)) if held else None
        rows = thin(rows, strata, data.max_train_rows, recipe.seed)
        self.train = whole.take(np.array(rows))
        self.columns = list(data.columns or (name for name in whole.columns if name != data.target_column))
        self.both = [self.train] if self.val is None else [self.train, self.val]
        held_rows = self.val.rows if self.val else 0
        plan.reporter.log(f"{self.train.rows:,} rows to learn from, {held_rows:,} to validate")


def table_data(recipe: Recipe) -> TableData:
    """The recipe's data set as a table task has it."""
    assert isinstance(recipe.dataset, TableData)  # the recipe's task decides its class
    return recipe.dataset


def read_split(data_dir: Path, split: str, data: TableData) -> Table:
    """The columns that the recipe names, target included. Raises `UserError` where one is not there."""
    target, columns = data.target_column, data.columns
    if columns is not None and target in columns:
        text = f"dataset.columns must not name the target column {target!r}: it would predict itself."
        raise UserError("recipe:target-in-columns", text)
    for name in data.categorical or ():
        if columns is not None and name not in columns:
            text = f"dataset.categorical names {name!r}, dataset.columns does not."
            raise UserError("recipe:unknown-column", text)
    table = read_table(data_dir, split, None if columns is None else [*columns, target])
    for name in (target, *(data.categorical or ())):
        table.column(name)
    return table


def rows_of(encoder: Encoder, table: Table, targets: Tensor) -> TableRows:
    return TableRows(*encoder.encode(table), targets)


def _strata(table: Table, column: str) -> list[int]:
    """A number for every distinct cell, so that every class is held out in its share."""
    cells = [str(cell) for cell in table.column(column).values]
    place = {cell: index for index, cell in enumerate(dict.fromkeys(cells))}
    return [place[cell] for cell in cells]
