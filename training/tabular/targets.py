"""The column to be predicted: numbers standardised or as logarithms, or classes by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from training.errors import UserError
from training.tabular.columns import Table, as_categories, as_numbers

TRANSFORMS = ("none", "standardize", "log")
MAX_CLASSES = 10_000


@dataclass(frozen=True)
class NumberTarget:
    """What the net learns is (y - mean) / std, of log y where `log`; measured is y, in its own unit.

    `quantiles`: one output for each, 0.5 among them; empty where there is one output, the number itself.
    """

    name: str
    log: bool
    mean: float
    std: float
    quantiles: tuple[float, ...] = ()

    @staticmethod
    def fit(name: str, values: np.ndarray, transform: str, quantiles: tuple[float, ...] = ()) -> NumberTarget:
        """By the training rows alone. `values`: float64 [n], as `read_numbers` gives them."""
        log = transform == "log"
        learned = np.log(values) if log else values
        if transform == "none":
            return NumberTarget(name, False, 0.0, 1.0, quantiles)
        if learned.min() == learned.max():
            text = f"All training rows have the same {name!r}, {values[0]:g}; there is nothing to learn."
            raise UserError("data:constant-target", text)
        return NumberTarget(name, log, float(learned.mean()), float(learned.std()), quantiles)

    @property
    def transform(self) -> str:
        """The recipe's word for it, as far as the numbers tell."""
        return "log" if self.log else "none" if (self.mean, self.std) == (0.0, 1.0) else "standardize"

    @property
    def outputs(self) -> int:
        return len(self.quantiles) or 1

    def point(self, output: Tensor) -> Tensor:
        """The one number [n] of outputs [n, outputs]: the median, where there are quantiles."""
        return output[:, self.quantiles.index(0.5) if self.quantiles else 0]

    def to_learn(self, values: np.ndarray) -> Tensor:
        """float32 [n] from the target's own unit."""
        learned = np.log(values) if self.log else values
        return torch.from_numpy((learned - self.mean) / self.std).float()

    def unscale(self, output: Tensor) -> np.ndarray:
        """float64 of any shape, in the target's unit, or its logarithm where `log`."""
        found: np.ndarray = output.double().cpu().numpy() * self.std + self.mean
        return found

    def restore(self, output: Tensor) -> np.ndarray:
        """float64 of any shape in the target's unit; of a logarithm that is the median, not the mean."""
        found = self.unscale(output)
        # A net that is far off must not answer with infinity.
        return np.exp(np.clip(found, -690.0, 690.0)) if self.log else found


@dataclass(frozen=True)
class ClassTarget:
    """`classes[i]` names class i."""

    name: str
    classes: tuple[str, ...]


Target = NumberTarget | ClassTarget


def read_numbers(table: Table, name: str, *, log: bool = False) -> np.ndarray:
    """float64 [n]. Raises `UserError` for the first row without a number (above 0 where `log`)."""
    values = as_numbers(table.column(name), table.where)
    missing = np.flatnonzero(np.isnan(values))
    if len(missing):
        text = (
            f"The target {name!r} is missing {table.where(int(missing[0]))} ({len(missing):,} rows in all)."
        )
        raise UserError("data:missing-target", text)
    low = np.flatnonzero(values <= 0)
    if log and len(low):
        row = int(low[0])
        text = f"dataset.target_transform log needs targets above 0; {name!r} is {values[row]:g}"
        raise UserError("data:not-positive", f"{text} {table.where(row)}.")
    return values


def read_classes(table: Table, name: str, declared: Sequence[str] | None) -> list[str]:
    """The class of every row by name; `declared` names whole numbers. Raises `UserError` for a gap."""
    from training.splits import class_name

    cells = as_categories(table.column(name), table.where).tolist()
    missing = [row for row, cell in enumerate(cells) if cell is None]
    if missing:
        raise _missing(name, table, missing[0], len(missing))
    names = list(declared) if declared else None
    return [class_name(cell, names, table.where, row) for row, cell in enumerate(cells)]


def fit_classes(name: str, found: Sequence[str], declared: Sequence[str] | None) -> ClassTarget:
    """The classes in declared or natural order. Raises `UserError` for one class, or far too many."""
    from training.splits import natural

    counts = Counter(found)
    if len(counts) < 2:
        text = f"All training rows are of one class, {found[0][:60]!r}; a classifier needs at least two."
        raise UserError("data:one-class", text)
    if len(counts) > MAX_CLASSES:
        raise UserError("data:too-many-classes", f"{name!r} has more than {MAX_CLASSES:,} classes.")
    if len(counts) > 20 and 2 * len(counts) > len(found):
        text = f"{name!r} has {len(counts):,} different values in {len(found):,} rows: is it a number?"
        raise UserError("data:too-many-classes", f"{text} The task tabular-regression predicts numbers.")
    return ClassTarget(name, tuple(declared or sorted(counts, key=natural)))


def class_places(target: ClassTarget, found: Sequence[str], table: Table) -> Tensor:
    """int64 [n]. Raises `UserError` for a class that the training rows do not have."""
    place = {label: index for index, label in enumerate(target.classes)}
    for row, label in enumerate(found):
        if label not in place:
            known = ", ".join(target.classes[:5])
            text = f"The class {label[:60]!r} {table.where(row)} is none of those learned ({known})."
            raise UserError("data:unknown-class", text)
    return torch.tensor([place[label] for label in found])


def skewness(values: np.ndarray) -> float:
    """Third standardised moment; 0 for a constant."""
    spread = float(values.std())
    return float((((values - values.mean()) / spread) ** 3).mean()) if spread > 0 else 0.0


def _missing(name: str, table: Table, row: int, count: int) -> UserError:
    text = f"The target {name!r} is missing {table.where(row)} ({count:,} rows in all)."
    return UserError("data:missing-target", text)
