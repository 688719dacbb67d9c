"""Columns of a table and what their cells mean: numbers, categories, times. Refusals name column and row."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from training.errors import UserError
from training.tabular.cells import as_float, as_text, objects, parse_number, parse_time, plain

# Text cells that say nothing is known; the same in a CSV, in JSON and in Parquet.
MISSING = frozenset({"", "?", "NA", "N/A", "NaN", "nan", "null", "NULL"})
FLAGS = {"true": "true", "false": "false", "True": "true", "False": "false", "TRUE": "true", "FALSE": "false"}
MAX_CATEGORIES = 1_000
MAX_CATEGORY_CHARS = 200
MAX_COLUMNS = 2_000
MAX_MAGNITUDE = 1e30


@dataclass(frozen=True)
class Column:
    """`kind` says how the file holds it; `values` has one cell a row.

    number: float64, NaN where missing. flag: object, "true", "false" or None. time: datetime64[s] in UTC, NaT
    where missing. text: object, str or None. other: no values, it cannot be learned from.
    """

    name: str
    kind: str
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Table:
    """`where(i)`: row i for people. `names`: class names by index, of the columns that declare them."""

    columns: dict[str, Column]
    rows: int
    where: Callable[[int], str]
    names: Mapping[str, list[str]] = field(default_factory=dict)

    def column(self, name: str) -> Column:
        """Raises `UserError` `data:missing-column`."""
        if name not in self.columns:
            have = ", ".join(list(self.columns)[:20])
            text = f"The table has no column {name[:100]!r}; its columns are: {have}."
            raise UserError("data:missing-column", text)
        return self.columns[name]

    def take(self, rows: np.ndarray) -> Table:
        """The rows of these numbers, in this order."""
        columns = {
            name: Column(name, column.kind, column.values[rows]) if column.kind != "other" else column
            for name, column in self.columns.items()
        }
        return Table(columns, len(rows), lambda index: self.where(int(rows[index])), self.names)


def rows_to_table(rows: Sequence[Mapping[str, Any]], where: Callable[[int], str]) -> Table:
    """Rows as dictionaries to columns; what a row lacks is missing there."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    if len(names) > MAX_COLUMNS:
        raise UserError("data:too-large", f"The table has more than {MAX_COLUMNS:,} columns.")
    columns = {name: column_of(name, [row.get(name) for row in rows]) for name in names}
    return Table(columns, len(rows), where)


def column_of(name: str, cells: list[Any]) -> Column:
    """A column from plain Python cells, its kind by what all of them are."""
    known = [cell for cell in cells if cell is not None]
    if all(isinstance(cell, bool) for cell in known) and known:
        return Column(name, "flag", objects(None if cell is None else str(cell).lower() for cell in cells))
    if all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in known) and known:
        return Column(name, "number", np.array([as_float(cell) for cell in cells], dtype=np.float64))
    if any(isinstance(cell, Mapping | list | bytes) for cell in known):
        return Column(name, "other", np.empty(0))
    return Column(name, "text", objects(None if cell is None else as_text(cell) for cell in cells))


def infer_kind(column: Column, *, categorical: bool | None = None) -> str:
    """numeric, categorical, datetime or ignored; `categorical` is what the recipe declares, None if nothing.

    Text is categorical when it repeats itself: at most 1,000 distinct values, seen twice or more on average.
    """
    if column.kind == "other":
        return "ignored"
    if column.kind == "flag" or categorical:
        return "categorical"
    if column.kind in ("number", "time"):
        return "numeric" if column.kind == "number" else "datetime"
    cells = {cell for cell in column.values if cell is not None and cell not in MISSING}
    if categorical is None and cells and all(cell in FLAGS for cell in cells):
        return "categorical"
    if cells and all(parse_number(cell) is not None for cell in cells):
        return "numeric"
    if cells and all(parse_time(cell) is not None for cell in cells):
        return "datetime"
    if categorical is False:
        return "numeric"
    repeats = len(cells) <= MAX_CATEGORIES and 2 * len(cells) <= max(len(column), 4)
    return "categorical" if repeats and all(len(cell) <= MAX_CATEGORY_CHARS for cell in cells) else "ignored"


def as_numbers(column: Column, where: Callable[[int], str]) -> np.ndarray:
    """float64 [n], NaN where missing. Raises `UserError` for the first cell that is not a finite number."""
    if column.kind == "number":
        values = column.values
    elif column.kind == "flag":
        values = np.array([math.nan if cell is None else float(cell == "true") for cell in column.values])
    elif column.kind == "text":
        values = np.array([_number_cell(column, cell, where, row) for row, cell in enumerate(column.values)])
    else:
        raise UserError("data:not-a-number", f"The column {column.name!r} must hold numbers.")
    beyond = np.flatnonzero(np.abs(values) > MAX_MAGNITUDE)
    if len(beyond):
        row = int(beyond[0])
        text = f"The column {column.name!r} holds {values[row]:g} {where(row)}; numbers must be finite."
        raise UserError("data:not-finite", text)
    return values


def as_categories(column: Column, where: Callable[[int], str]) -> np.ndarray:
    """object [n]: text or None where missing; whole numbers as `3`, flags as `true` and `false`."""
    if column.kind == "number":
        return objects(plain(cell) for cell in as_numbers(column, where).tolist())
    if column.kind == "time":
        return objects(None if np.isnat(cell) else str(cell) for cell in column.values)
    if column.kind == "other":
        raise UserError("data:not-a-category", f"The column {column.name!r} holds neither text nor numbers.")
    for row, cell in enumerate(column.values):
        if cell is not None and len(cell) > MAX_CATEGORY_CHARS:
            text = f"The column {column.name!r} holds {len(cell):,} characters {where(row)}: not a category."
            raise UserError("data:not-a-category", text)
    return objects(
        None if cell is None or cell in MISSING else FLAGS.get(cell, cell) for cell in column.values
    )


def as_times(column: Column, where: Callable[[int], str]) -> np.ndarray:
    """datetime64[s] [n] in UTC, NaT where missing. Raises `UserError` for a cell that is not a date."""
    if column.kind == "time":
        return column.values
    if column.kind != "text":
        raise UserError("data:not-a-time", f"The column {column.name!r} must hold dates.")
    found = np.full(len(column), np.datetime64("NaT", "s"))
    for row, cell in enumerate(column.values):
        if cell is None or cell in MISSING:
            continue
        parsed = parse_time(cell)
        if parsed is None:
            text = f"The column {column.name!r} must hold dates, got {cell[:60]!r} {where(row)}."
            raise UserError("data:not-a-time", text)
        found[row] = parsed
    return found


def _number_cell(column: Column, cell: str | None, where: Callable[[int], str], row: int) -> float:
    if cell is None or cell in MISSING:
        return math.nan
    number = parse_number(cell)
    if number is None:
        text = f"The column {column.name!r} must hold numbers, got {cell[:60]!r} {where(row)}."
        raise UserError("data:not-a-number", text)
    return number
