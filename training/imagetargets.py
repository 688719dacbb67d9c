"""What a picture's row says beside a class: a number, or any number of labels. Siblings of `read_split`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data import MAX_CLASSES, Split, find_rows
from training.errors import UserError
from training.splits import card_names, class_name, natural
from training.tables import Rows

# Beyond this, squares of fp32 numbers overflow.
MAX_MAGNITUDE = 1e15
MAX_FLAGS = 500_000_000


@dataclass(frozen=True)
class Numbers:
    """`values` [n]: finite, in their own units."""

    name: str
    values: NDArray[np.float64]
    rows: Rows

    def __len__(self) -> int:
        return len(self.values)

    @property
    def strata(self) -> Sequence[int]:
        return [0] * len(self)


@dataclass(frozen=True)
class Tags:
    """`flags` [n, labels]: 1 where row i has `labels[j]`."""

    name: str
    labels: list[str]
    flags: NDArray[np.uint8]
    rows: Rows

    def __len__(self) -> int:
        return len(self.flags)

    @property
    def strata(self) -> Sequence[int]:
        """Every row counts as the rarest of its labels, so that parts of a split hold the rare ones too."""
        found = np.full(len(self), -1)
        for label in np.argsort(-self.flags.sum(axis=0, dtype=np.int64), kind="stable"):
            found[self.flags[:, label] > 0] = label
        rarest: list[int] = found.tolist()
        return rarest


def read_numbers(data_dir: Path, name: str, *, image_column: str, label_column: str) -> Numbers:
    """Split `name` with a number a row. Raises `UserError` `data:bad-number` that names the first bad row."""
    rows = find_rows(data_dir, name, image_column, label_column)
    values = [_number(raw, label_column, rows.where, index) for index, raw in enumerate(rows.labels)]
    return Numbers(name, np.array(values, dtype=np.float64), rows)


def read_tags(
    data_dir: Path,
    name: str,
    *,
    image_column: str,
    label_column: str,
    label_columns: tuple[str, ...] | None = None,
) -> Tags:
    """Split `name` with a list of names or indices a row, or a column of 0 and 1 for each of `label_columns`.

    A list may be empty. Raises `UserError` `data:bad-label` that names the first bad row.
    """
    rows = find_rows(data_dir, name, image_column, label_columns or label_column)
    if label_columns:
        labels = list(label_columns)
        _bound(len(rows.labels), len(labels))
        flags = [_flags(raw, label_columns, rows.where, index) for index, raw in enumerate(rows.labels)]
        return Tags(name, labels, np.array(flags, dtype=np.uint8), rows)
    names = rows.names or card_names(data_dir, label_column)
    lists = [_names(raw, names, label_column, rows.where, index) for index, raw in enumerate(rows.labels)]
    labels = names or sorted(set().union(*lists), key=natural)
    _bound(len(lists), len(labels))
    index_of = {label: index for index, label in enumerate(labels)}
    if len(index_of) != len(labels):
        raise UserError("data:bad-label", "The data set declares two labels of the same name.")
    table = np.zeros((len(lists), len(labels)), dtype=np.uint8)
    for index, found in enumerate(lists):
        table[index, [index_of[label] for label in found]] = 1
    return Tags(name, labels, table, rows)


def same_classes(split: Split, train: Split) -> Split:
    """The split with its targets renumbered to `train`'s classes; `UserError` for one that it lacks."""
    index_of = {label: index for index, label in enumerate(train.labels)}
    for target in sorted(set(split.targets)):
        if split.labels[target] not in index_of:
            raise _unknown(split.name, split.labels[target], "class")
    targets = [index_of[split.labels[target]] for target in split.targets]
    return Split(split.name, train.labels, targets, split.rows)


def same_tags(split: Tags, train: Tags) -> Tags:
    """The split's flags in `train`'s order of labels; `UserError` for one that it lacks."""
    index_of = {label: index for index, label in enumerate(train.labels)}
    flags = np.zeros((len(split), len(train.labels)), dtype=np.uint8)
    for place, label in enumerate(split.labels):
        if label in index_of:
            flags[:, index_of[label]] = split.flags[:, place]
        elif split.flags[:, place].any():
            raise _unknown(split.name, label, "label")
    return Tags(split.name, train.labels, flags, split.rows)


def _number(raw: Any, column: str, where: Callable[[int], str], index: int) -> float:
    if raw is None or (isinstance(raw, str) and not raw.strip()):
        at = _place(where(index))
        raise UserError("data:bad-number", f"The column {column!r} holds nothing {at}; a number is due.")
    try:
        value = math.nan if isinstance(raw, bool | list | dict | bytes) else float(raw)
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value) or abs(value) > MAX_MAGNITUDE:
        text = f"The column {column!r} must hold numbers, got {_shown(raw, where(index))}."
        raise UserError("data:bad-number", text)
    return value


def _names(
    raw: Any, names: list[str] | None, column: str, where: Callable[[int], str], index: int
) -> set[str]:
    if not isinstance(raw, list):
        text = f"The column {column!r} must hold lists of labels, got {_shown(raw, where(index))}."
        raise UserError("data:bad-label", text)
    return {class_name(item, names, where, index) for item in raw}


def _flags(raw: Any, columns: tuple[str, ...], where: Callable[[int], str], index: int) -> list[int]:
    """The cells of a row as 0 and 1. Class folders have no columns."""
    if not isinstance(raw, tuple):
        text = "dataset.label_columns needs a table (Parquet, CSV or JSON lines), not folders of classes."
        raise UserError("data:missing-column", text)
    known = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "False": 0, "True": 1, "false": 0, "true": 1}
    found = [known.get(str(cell).strip()) for cell in raw]
    for column, cell, flag in zip(columns, raw, found, strict=True):
        if flag is None:
            text = f"The column {column!r} must hold 0 and 1, got {_shown(cell, where(index))}."
            raise UserError("data:bad-label", text)
    return [flag or 0 for flag in found]


def _bound(rows: int, labels: int) -> None:
    if not labels:
        raise UserError("data:no-labels", "No image has a label.")
    if labels > MAX_CLASSES or rows * labels > MAX_FLAGS:
        text = f"{labels:,} labels for {rows:,} images are too many: at most {MAX_CLASSES:,} labels."
        raise UserError("data:too-many-classes", text)


def _unknown(split: str, label: str, kind: str) -> UserError:
    text = f"The split {split!r} holds the {kind} {label[:60]!r}, the training split does not."
    return UserError("data:unknown-class", text)


def _shown(raw: Any, where: str) -> str:
    return f"{str(raw)[:60]!r} {_place(where)}"


def _place(where: str) -> str:
    """`Rows.where` behind a value: "in x.parquet, row 3" as it is, "for 3.png (x.csv, row 3)"."""
    return where if where.startswith("in ") else f"for {where}"
