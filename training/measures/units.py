"""What is drawn in a bootstrap: rows, or groups of rows that belong together, within strata."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.errors import UserError
from training.measures.checks import Ints, as_array

Rows = tuple[NDArray[Any], ...]


@dataclass(frozen=True)
class Units:
    """Units 0 … n − 1 and their rows: unit u has `order[starts[u] : starts[u] + sizes[u]]`. `layers`: the
    units of each stratum. `single`: a unit is a row.
    """

    order: Ints
    starts: Ints
    sizes: Ints
    layers: list[Ints]
    single: bool

    def rows_of(self, units: Ints) -> Ints:
        """The rows of the units [n], those drawn twice twice."""
        if self.single:
            return units
        sizes = self.sizes[units]
        ends = np.cumsum(sizes)
        return self.order[np.repeat(self.starts[units] - (ends - sizes), sizes) + np.arange(ends[-1])]


def columns(rows: Sequence[ArrayLike]) -> Rows:
    """Row inputs as arrays of one length; what is not numbers (texts, tags) becomes an array of objects.

    `UserError` `measure:shape`; `measure:too-few-rows` for fewer than two rows.
    """
    found = tuple(map(_column, rows))
    lengths = {len(column) for column in found}
    if len(lengths) != 1:
        counts = ", ".join(f"{len(column):,}" for column in found)
        raise UserError("measure:shape", f"The inputs have {counts} rows; they must be as many.")
    if min(lengths) < 2:
        raise UserError("measure:too-few-rows", "An interval needs at least 2 rows.")
    return found


def units(count: int, strata: ArrayLike | None = None, groups: ArrayLike | None = None) -> Units:
    """The units of `count` rows, given the stratum and the group of every row.

    `UserError` `measure:shape`; `measure:too-few-rows` for one group; `measure:strata` for a group in two.
    """
    layer = np.zeros(count, dtype=np.int64) if strata is None else _places(strata, count, "strata")
    if groups is None:
        every = np.arange(count)
        return Units(every, every, np.ones(count, dtype=np.int64), _split(layer), single=True)
    member = _places(groups, count, "groups")
    order, sizes = np.argsort(member, kind="stable"), np.bincount(member)
    if len(sizes) < 2:
        raise UserError("measure:too-few-rows", "An interval needs at least 2 groups of rows.")
    starts = np.cumsum(sizes) - sizes
    first = layer[order[starts]]
    if (first[member] != layer).any():
        text = "Every group of rows must lie in one stratum; one has rows in several."
        raise UserError("measure:strata", text)
    return Units(order, starts, sizes, _split(first), single=False)


def _places(names: ArrayLike, count: int, kind: str) -> Ints:
    """The index of every row's name among the distinct names."""
    array = _column(names)
    if len(array) != count:
        raise UserError("measure:shape", f"There are {count:,} rows, but {kind} for {len(array):,}.")
    _, place = np.unique(array.astype(str) if array.dtype == object else array, return_inverse=True)
    return place


def _split(layer: Ints) -> list[Ints]:
    return np.split(np.argsort(layer, kind="stable"), np.cumsum(np.bincount(layer))[:-1])


def _column(values: Any) -> NDArray[Any]:
    if isinstance(values, np.ndarray) and values.ndim:
        return values
    try:
        array = as_array(values, "rows")
    except UserError:
        array = np.zeros(0, dtype=object)
    if array.dtype.kind in "biuf" and array.ndim:
        return array
    kept = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):
        kept[row] = value
    return kept
