"""Rows of series as they stand in the files of a split: joined with their past, sorted, freed of repeats."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from training.errors import UserError
from training.series import columns as cells
from training.series.columns import read_columns, show_time, split_files

MAX_SERIES = 100_000
MAX_TARGETS = 1_000


@dataclass(frozen=True)
class Columns:
    """`known` covariates are given for the future too (calendar, price, plan); `past` only up to now."""

    time: str
    targets: tuple[str, ...]
    series: str | None = None
    known: tuple[str, ...] = ()
    past: tuple[str, ...] = ()

    def names(self) -> list[str]:
        """Every column, in this order. Raises `UserError` `data:bad-columns` for one named twice."""
        found = [self.time, *([self.series] if self.series else []), *self.targets, *self.known, *self.past]
        twice = next((name for name in found if found.count(name) > 1), None)
        if twice is not None:
            raise UserError("data:bad-columns", f"The recipe names the column {twice!r} twice.")
        if not 1 <= len(self.targets) <= MAX_TARGETS:
            raise UserError("data:bad-columns", f"There must be 1 to {MAX_TARGETS:,} target columns.")
        return found


@dataclass(frozen=True)
class Rows:
    """`code` [n] indexes `names`; `when` int64 [n]: microseconds (`clock`) or step numbers; `data` [n, k].

    `files`: name and first row of each table that the rows come from, in order.
    """

    files: list[tuple[str, int]]
    names: list[str]
    code: np.ndarray
    when: np.ndarray
    data: np.ndarray
    clock: bool

    def where(self, row: int) -> str:
        """`train.csv, row 7`."""
        name, start = [item for item in self.files if item[1] <= row][-1]
        return f"{name}, row {row - start + 1}"

    def named(self, row: int) -> str:
        """` of the series 'x'`, or nothing where there is only one."""
        name = self.names[int(self.code[row])]
        return f" of the series {name!r}" if name else ""

    def time(self, row: int) -> str:
        return show_time(int(self.when[row]), self.clock)


def read_rows(data_dir: Path, split: str, columns: Columns) -> Rows:
    """The rows of one split in file order. Raises `UserError` as `columns` does, and for an empty split."""
    files = split_files(data_dir, split)
    table = read_columns(files, data_dir, columns.names())
    where = files[0].relative_to(data_dir).as_posix()
    if not table.num_rows:
        raise UserError("data:empty", f"The split {split!r} holds no rows.")
    when, clock = cells.times(table, columns.time, where)
    code, names = _series(table, columns, where)
    numeric = [*columns.targets, *columns.known, *columns.past]
    data = np.stack([cells.numbers(table, name, where) for name in numeric], axis=1)
    return Rows([(where, 0)], names, code, when, data, clock)


def with_past(rows: Rows, past: Rows, first: dict[str, int]) -> Rows:
    """`rows`, then those of `past` that are of the same series. Raises `UserError` `data:splits-overlap` for
    a row of `past` that is not before the `first` time of its series."""
    if past.clock != rows.clock:
        raise UserError("data:not-times", f"{past.where(0)} and {rows.where(0)} tell time in different ways.")
    index_of = {name: index for index, name in enumerate(rows.names)}
    code = np.array([index_of.get(name, -1) for name in past.names])[past.code]
    limit = np.array([first.get(name, 0) for name in past.names])[past.code]
    late = np.flatnonzero((code >= 0) & (past.when >= limit))
    if len(late):
        row = int(late[0])
        text = f"{past.where(row)}, {past.time(row)}, is not before the first row of {rows.files[0][0]}"
        raise UserError("data:splits-overlap", f"{text}: series are split by time.")
    return Rows(
        files=[*rows.files, (past.files[0][0], len(rows.code))],
        names=rows.names,
        code=np.concatenate([rows.code, code[code >= 0]]),
        when=np.concatenate([rows.when, past.when[code >= 0]]),
        data=np.concatenate([rows.data, past.data[code >= 0]]),
        clock=rows.clock,
    )


def first_times(rows: Rows) -> dict[str, int]:
    """The earliest time of each series, by name."""
    first = np.full(len(rows.names), np.iinfo(np.int64).max)
    np.minimum.at(first, rows.code, rows.when)
    return dict(zip(rows.names, first.tolist(), strict=True))


def in_order(rows: Rows, targets: int, log: Callable[[str], None]) -> np.ndarray:
    """The rows by series and time, every time once.

    Told to `log`: rows that had to be sorted, and rows dropped because they repeat a time with the same
    values of the first `targets` columns. Others that repeat a time: `UserError` `data:repeated-time`.
    """
    order = np.lexsort((rows.when, rows.code))
    for (name, start), (_, stop) in itertools.pairwise([*rows.files, ("", len(order))]):
        back = (np.diff(rows.when[start:stop]) < 0) & (np.diff(rows.code[start:stop]) == 0)
        if back.any():
            log(f"{name}: {int(back.sum()):,} rows are earlier than the row above; all were sorted by time.")
    first, second = order[:-1], order[1:]
    repeats = (rows.code[first] == rows.code[second]) & (rows.when[first] == rows.when[second])
    if not repeats.any():
        return order
    ours, theirs = rows.data[first, :targets], rows.data[second, :targets]
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    for place in np.flatnonzero(repeats & ~same.all(axis=1)):
        row, other = int(first[place]), int(second[place])
        text = f"{rows.where(row)} and {rows.where(other)} give different values for"
        hint = "keep one of them, or name the column that tells the series apart"
        raise UserError("data:repeated-time", f"{text} {rows.time(row)}{rows.named(row)}; {hint}.")
    log(f"{int(repeats.sum()):,} rows repeat a time with the same values; the first of each was kept.")
    return order[np.concatenate([[True], ~repeats])]


def _series(table: pa.Table, columns: Columns, where: str) -> tuple[np.ndarray, list[str]]:
    if columns.series is None:
        return np.zeros(table.num_rows, dtype=np.int64), [""]
    code, names = cells.names(table, columns.series, where)
    if len(names) > MAX_SERIES:
        raise UserError("data:too-large", f"The data set has more than {MAX_SERIES:,} series.")
    return code, names
