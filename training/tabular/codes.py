"""What one column becomes: a number with a flag, a place in a vocabulary, the parts of a date."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from training.tabular.columns import Column, as_categories, as_numbers, as_times

UNKNOWN, MISSING_PLACE, FIRST = 0, 1, 2
MAX_QUANTILES = 1_000
# Below so many rows an entry of its own would learn noise; such rows are what teaches the unknown entry.
MIN_COUNT = 2
CYCLES = {"month": 12, "weekday": 7, "hour": 24}
Where = Callable[[int], str]


@dataclass(frozen=True)
class NumericCode:
    """One number a row. `points`: the training set's quantiles; None standardises by `mean` and `std`.

    The quantile map is scikit-learn's (forward and backward interpolation averaged, so that ties lie in their
    middle), but ends half a rank inside: its ends at ±5.2 would make outliers of the extremes.
    """

    kind: ClassVar[str] = "numeric"
    name: str
    mean: float
    std: float
    points: tuple[float, ...] | None
    edge: float
    flag: bool

    @staticmethod
    def fit(column: Column, where: Where, scaling: str) -> NumericCode | None:
        """None for a column that never varies and is never missing: there is nothing in it to learn from."""
        values = as_numbers(column, where)
        known = values[~np.isnan(values)]
        flag = len(known) < len(values)
        if not len(known) or (known.min() == known.max() and not flag):
            return None
        std = float(known.std()) or 1.0
        points, edge = None, 0.5 / len(known)
        if scaling == "quantile":
            count = min(MAX_QUANTILES, max(len(known) // 30, 10), len(known))
            points = tuple(np.quantile(known, np.linspace(0, 1, max(count, 2))).tolist())
        return NumericCode(column.name, float(known.mean()), std, points, max(edge, 1e-6), flag)

    @property
    def numbers(self) -> int:
        return 1 + self.flag

    def encode(self, column: Column, where: Where) -> np.ndarray:
        """float64 [n, 1 or 2]; a missing number is the middle of the training set, its flag 1."""
        values = as_numbers(column, where)
        missing = np.isnan(values)
        scaled = self._scale(np.where(missing, self.mean, values))
        scaled[missing] = 0.0
        return np.stack([scaled, missing], 1) if self.flag else scaled[:, None]

    def _scale(self, values: np.ndarray) -> np.ndarray:
        if self.points is None:
            return np.clip((values - self.mean) / self.std, -1e4, 1e4)
        points, ranks = np.array(self.points), np.linspace(0, 1, len(self.points))
        forward = np.interp(values, points, ranks)
        backward = np.interp(-values, -points[::-1], -ranks[::-1])
        share = np.clip((forward - backward) / 2, self.edge, 1 - self.edge)
        return torch.special.ndtri(torch.from_numpy(share)).numpy()


@dataclass(frozen=True)
class TimeCode:
    """The parts of a date that vary in training; years standardised, the others as circles."""

    kind: ClassVar[str] = "datetime"
    name: str
    parts: tuple[str, ...]
    mean: float
    std: float
    flag: bool

    @staticmethod
    def fit(column: Column, where: Where) -> TimeCode | None:
        times = as_times(column, where)
        known = times[~np.isnat(times)]
        if not len(known):
            return None
        years = _years(known)
        parts = [part for part in CYCLES if len(np.unique(_part(known, part))) > 1]
        parts = ["year", *parts] if years.min() != years.max() else parts
        flag = len(known) < len(times)
        if not parts and not flag:
            return None
        return TimeCode(column.name, tuple(parts), float(years.mean()), float(years.std()) or 1.0, flag)

    @property
    def numbers(self) -> int:
        return sum(1 if part == "year" else 2 for part in self.parts) + self.flag

    def encode(self, column: Column, where: Where) -> np.ndarray:
        """float64 [n, numbers]; a missing date is zero throughout, its flag 1."""
        times = as_times(column, where)
        missing = np.isnat(times)
        filled = np.where(missing, np.datetime64(0, "s"), times)
        found = []
        for part in self.parts:
            if part == "year":
                found.append((_years(filled) - self.mean) / self.std)
            else:
                angle = 2 * math.pi * _part(filled, part) / CYCLES[part]
                found += [np.sin(angle), np.cos(angle)]
        table = np.stack(found, 1) if found else np.empty((len(times), 0))
        table[missing] = 0.0
        return np.concatenate([table, missing[:, None]], 1) if self.flag else table


@dataclass(frozen=True)
class CategoricalCode:
    """A place in the vocabulary; text, flags and whole numbers alike."""

    kind: ClassVar[str] = "categorical"
    name: str
    vocabulary: tuple[str, ...]

    @staticmethod
    def fit(column: Column, where: Where) -> CategoricalCode | None:
        found = Counter(as_categories(column, where).tolist())
        if len(found) < 2:
            return None
        words = sorted(word for word, count in found.items() if word is not None and count >= MIN_COUNT)
        return CategoricalCode(column.name, tuple(words))

    @property
    def size(self) -> int:
        return FIRST + len(self.vocabulary)

    def encode(self, column: Column, where: Where) -> np.ndarray:
        """int64 [n], places below `size`."""
        place = {word: index for index, word in enumerate(self.vocabulary, start=FIRST)}
        cells = as_categories(column, where).tolist()
        found = (MISSING_PLACE if cell is None else place.get(cell, UNKNOWN) for cell in cells)
        return np.fromiter(found, dtype=np.int64, count=len(cells))


Code = NumericCode | TimeCode | CategoricalCode


def _years(times: np.ndarray) -> np.ndarray:
    """Years with their fraction, so that a trend is not a staircase."""
    days = (times - np.datetime64("1970-01-01", "s")) / np.timedelta64(86_400, "s")
    found: np.ndarray = 1970 + days / 365.2425
    return found


def _part(times: np.ndarray, part: str) -> np.ndarray:
    """Months and weekdays from 0 (January, Monday), hours with their fraction."""
    if part == "month":
        found: Any = times.astype("datetime64[M]").astype(np.int64) % 12
    elif part == "weekday":
        found = (times.astype("datetime64[D]").astype(np.int64) + 3) % 7
    else:
        found = (times - times.astype("datetime64[D]")) / np.timedelta64(3600, "s")
    return np.asarray(found, dtype=np.float64)
