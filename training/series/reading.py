"""A split of a snapshot directory to series on a regular grid, missing values filled up to a bound."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.errors import UserError
from training.series.grid import Grid, carry_forward, find_grid
from training.series.rows import Columns, first_times, in_order, read_rows, with_past

MAX_STEPS = 20_000_000
MAX_CELLS = 50_000_000
# Beyond this share of empty steps the grid is a guess: one odd time can make it as fine as one likes.
MAX_EMPTY_SHARE = 0.9


@dataclass(frozen=True)
class Panel:
    """Series of one grid, one below the other; series i is rows `bounds[i]` of every tensor, of which the
    split that was asked for begins at `begins[i]`: what is before is its past.

    `values` float32 [steps, targets], gaps filled; `observed` bool: measured, not filled; `usable` bool:
    measured or filled within the bound. `known`, `past` float32 [steps, k], NaN where beyond the bound.
    `times` int64 [steps] in the grid's unit.
    """

    columns: Columns
    grid: Grid
    names: list[str]
    bounds: list[tuple[int, int]]
    begins: list[int]
    values: Tensor
    observed: Tensor
    usable: Tensor
    known: Tensor
    past: Tensor
    times: np.ndarray

    def __len__(self) -> int:
        return len(self.values)


def read_panel(
    data_dir: Path,
    split: str,
    columns: Columns,
    *,
    before: Sequence[str] = (),
    fill_limit: int = 24,
    log: Callable[[str], None] = lambda text: None,
) -> Panel:
    """Read split `split`; a value is carried forward over at most `fill_limit` missing steps.

    `before`: splits that hold its past; they must end before it begins. Rows out of order are sorted and
    rows that repeat a time with the same values dropped, both told to `log`, as are missing steps and values.
    Raises `UserError` for contradicting repeats, times off the grid and all that cannot be read.
    """
    rows = read_rows(data_dir, split, columns)
    first = first_times(rows)
    for name in before:
        rows = with_past(rows, read_rows(data_dir, name, columns), first)
    order = in_order(rows, len(columns.targets), log)
    grid = find_grid(rows, order)
    code, when, data = rows.code[order], grid.count(rows.when[order]), rows.data[order]
    edges = np.flatnonzero(np.diff(code)) + 1
    pieces = list(zip([0, *edges], [*edges, len(code)], strict=True))
    bounds = _bounds([int(when[stop - 1] - when[start]) // grid.step + 1 for start, stop in pieces])
    _check_size(bounds[-1][1], len(code), data.shape[1], grid, log)
    full = np.full((bounds[-1][1], data.shape[1]), np.nan)
    times = np.empty(len(full), dtype=np.int64)
    for (start, stop), (begin, end) in zip(pieces, bounds, strict=True):
        full[begin + (when[start:stop] - when[start]) // grid.step] = data[start:stop]
        times[begin:end] = when[start] + grid.step * np.arange(end - begin)
    names = [rows.names[code[start]] for start, _ in pieces]
    since = grid.count(np.array([first[name] for name in names]))
    begins = [
        begin + int(since[index] - times[begin]) // grid.step for index, (begin, _) in enumerate(bounds)
    ]
    return _panel(columns, grid, names, bounds, begins, full, times, fill_limit, log)


def _bounds(lengths: list[int]) -> list[tuple[int, int]]:
    stops = np.cumsum(lengths).tolist()
    return list(zip([0, *stops[:-1]], stops, strict=True))


def _check_size(steps: int, rows: int, width: int, grid: Grid, log: Callable[[str], None]) -> None:
    if steps > MAX_STEPS or rows < (1 - MAX_EMPTY_SHARE) * steps:
        text = f"A grid of {grid.period} would have {steps:,} steps for {rows:,} rows"
        raise UserError("data:sparse", f"{text}: look at the first and the last times.")
    if steps * width > MAX_CELLS:
        text = f"{steps:,} steps of {width} columns are more than the {MAX_CELLS:,} numbers that fit"
        raise UserError("data:too-large", f"{text}; split the data set.")
    if steps > rows:
        log(f"{steps - rows:,} of {steps:,} steps are missing from the grid of {grid.period}.")


def _panel(
    columns: Columns,
    grid: Grid,
    names: list[str],
    bounds: list[tuple[int, int]],
    begins: list[int],
    full: np.ndarray,
    times: np.ndarray,
    limit: int,
    log: Callable[[str], None],
) -> Panel:
    """Fill what is missing; from numbers as read, NaN where there are none, to the panel's tensors."""
    count, split = len(columns.targets), len(columns.targets) + len(columns.known)
    _require_values(full[:, :count], columns)
    filled, usable = carry_forward(full, bounds, limit)
    measured = ~np.isnan(full[:, :count])
    missing, beyond = int((~measured).sum()), int((~usable[:, :count]).sum())
    if missing:
        kept = f"{missing - beyond:,} take the value before them"
        log(f"{missing:,} target values are missing: {kept}, for {beyond:,} it is over {limit} steps old.")
    covariates = torch.from_numpy(np.where(usable, filled, np.nan)).float()
    return Panel(
        columns=columns,
        grid=grid,
        names=names,
        bounds=bounds,
        begins=begins,
        values=torch.from_numpy(np.nan_to_num(filled[:, :count])).float(),
        observed=torch.from_numpy(measured),
        usable=torch.from_numpy(np.ascontiguousarray(usable[:, :count])),
        known=covariates[:, count:split],
        past=covariates[:, split:],
        times=times,
    )


def _require_values(targets: np.ndarray, columns: Columns) -> None:
    for index, name in enumerate(columns.targets):
        if np.isnan(targets[:, index]).all():
            raise UserError("data:empty", f"The target column {name!r} holds no number.")
        if np.nanmax(np.abs(targets[:, index])) > np.finfo(np.float32).max:
            raise UserError("data:not-numbers", f"The target column {name!r} holds numbers beyond 3.4e38.")
