"""Single cells: what text means as a number or a date, and what a number is called as text."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np


def parse_number(cell: str) -> float | None:
    # Python would read 1_000 and infinity as numbers, which no table means.
    try:
        return float(cell) if len(cell) <= 60 and not set("_iIyY") & set(cell) else None
    except ValueError:
        return None


def parse_time(cell: str) -> np.datetime64 | None:
    try:
        found = datetime.fromisoformat(cell.strip()) if 8 <= len(cell) <= 40 else None
    except ValueError:
        return None
    if found is None:
        return None
    if found.tzinfo is not None:
        found = found.astimezone(UTC).replace(tzinfo=None)
    return np.datetime64(found, "s")


def plain(cell: float) -> str | None:
    if math.isnan(cell):
        return None
    return str(int(cell)) if cell.is_integer() else repr(cell)


def as_float(cell: float | None) -> float:
    try:
        return math.nan if cell is None else float(cell)
    except OverflowError:
        return math.inf


def as_text(cell: Any) -> str:
    return (plain(as_float(cell)) or "") if isinstance(cell, float) else str(cell)


def objects(cells: Any) -> np.ndarray:
    listed = list(cells)
    found = np.empty(len(listed), dtype=object)
    found[:] = listed
    return found
