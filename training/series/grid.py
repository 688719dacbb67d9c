"""The regular grid that times lie on: its step is the commonest one, its unit microsecond, month or count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.errors import UserError
from training.series.columns import MICROSECONDS
from training.series.rows import Rows

MONTH_DAYS = range(28, 32)


@dataclass(frozen=True)
class Grid:
    """`step` in units of `unit`: `clock` (microseconds since 1970), `month` (since 1970) or `step`."""

    unit: str
    step: int

    def count(self, when: np.ndarray) -> np.ndarray:
        """Times as read, in this grid's unit."""
        if self.unit != "month":
            return when
        return when.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)

    @property
    def period(self) -> str:
        """`1 h`, `15 min`, `3 months`: the step for people."""
        if self.unit != "clock":
            return f"{self.step} {self.unit}" + ("s" if self.step > 1 else "")
        for name, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
            if self.step % (size * MICROSECONDS) == 0:
                return f"{self.step // (size * MICROSECONDS)} {name}"
        return f"{self.step / MICROSECONDS:g} s"

    def label(self, place: int) -> str | int:
        """A place on the grid as ISO 8601, or as the number it is."""
        if self.unit == "step":
            return place
        if self.unit == "month":
            return str(np.datetime64(place, "M"))
        return str(np.datetime64(place, "us").astype("datetime64[s]"))


def find_grid(rows: Rows, order: np.ndarray) -> Grid:
    """The grid of the ordered rows, missing steps allowed. Raises `UserError` `data:off-grid` naming the
    first row that does not lie on it, and `data:too-short` where no series has two rows."""
    code, when = rows.code[order], rows.when[order]
    inside = code[1:] == code[:-1]
    if not inside.any():
        raise UserError("data:too-short", "Every series has a single row; forecasting needs a history.")
    grid = Grid("clock" if rows.clock else "step", 1)
    if rows.clock and _monthly(np.diff(when)[inside]):
        # The last of January and the last of February are a month apart: only the month counts.
        grid = Grid("month", 1)
    when = grid.count(when)
    sizes, counts = np.unique(np.diff(when)[inside], return_counts=True)
    grid = Grid(grid.unit, int(sizes[counts.argmax()]))
    starts = when[np.concatenate([[True], ~inside])]
    since = when - starts[np.cumsum(np.concatenate([[0], ~inside]))]
    off = np.flatnonzero(since % grid.step)
    if len(off):
        row = int(order[off[0]])
        text = f"{rows.where(row)}: {rows.time(row)} is off the grid{rows.named(row)}, whose step is"
        raise UserError("data:off-grid", f"{text} {grid.period}.")
    return grid


def carry_forward(
    values: np.ndarray, bounds: Sequence[tuple[int, int]], limit: int
) -> tuple[np.ndarray, np.ndarray]:
    """[steps, columns] with every NaN replaced by the last value of its series, and whether that value is at
    most `limit` steps old; NaN and False before the first value."""
    steps = np.arange(len(values))[:, None]
    seen = np.where(np.isnan(values), -1, steps)
    for start, stop in bounds:
        np.maximum.accumulate(seen[start:stop], axis=0, out=seen[start:stop])
    filled = np.where(seen >= 0, np.take_along_axis(values, np.maximum(seen, 0), axis=0), np.nan)
    return filled, (seen >= 0) & (steps - seen <= limit)


def _monthly(steps: np.ndarray) -> bool:
    days = steps / (86_400 * MICROSECONDS)
    usual = np.isin(days, list(MONTH_DAYS)) | (days >= 59)
    return bool(usual.all() and len(np.unique(days)) > 1 and (days % 1 == 0).all())
