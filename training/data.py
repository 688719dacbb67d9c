"""A snapshot directory to pictures and their class indices. Layouts: Parquet, table, folders."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from training.errors import UserError
from training.recipe import DatasetSpec
from training.splits import (
    SPLIT_NAMES,
    card_names,
    check_name,
    class_name,
    natural,
    parquet_files,
    table_file,
)
from training.tables import MAX_ROWS, Columns, Rows, Source, read_listing, read_parquet

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
MAX_CLASSES = 10_000


@dataclass(frozen=True)
class Split:
    """`targets[i]` indexes `labels`, the class names of the whole data set in its own order."""

    name: str
    labels: list[str]
    targets: list[int]
    rows: Rows

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def strata(self) -> Sequence[int]:
        return self.targets


def read_split(
    data_dir: Path, name: str, *, image_column: str = "image", label_column: str = "label"
) -> Split:
    """Find split `name` and read its labels, not yet its images. Raises `UserError` in the user's terms."""
    rows = find_rows(data_dir, name, image_column, label_column)
    names = rows.names or card_names(data_dir, label_column)
    classes = [class_name(raw, names, rows.where, index) for index, raw in enumerate(rows.labels)]
    labels = names or sorted(set(classes), key=natural)
    if len(labels) > MAX_CLASSES:
        raise UserError("data:too-many-classes", f"The data set has more than {MAX_CLASSES:,} classes.")
    index_of = {label: index for index, label in enumerate(labels)}
    if len(index_of) != len(labels):
        raise UserError("data:bad-label", "The data set declares two classes of the same name.")
    return Split(name, labels, [index_of[label] for label in classes], rows)


def holdout(targets: Sequence[int], fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """Split rows into (kept, held out), the same share of every class, the same for the same seed.

    A class with a single image keeps it; every larger class gives at least one when `fraction` is above 0.
    """
    order = _shuffled(len(targets), seed)
    by_class: dict[int, list[int]] = {}
    for row in order:
        by_class.setdefault(targets[row], []).append(row)
    held: list[int] = []
    for rows in by_class.values():
        share = round(len(rows) * fraction)
        held.extend(rows[: min(max(share, 1 if fraction > 0 else 0), len(rows) - 1)])
    out = set(held)
    return [row for row in range(len(targets)) if row not in out], sorted(held)


def set_aside(strata: Sequence[int], data: DatasetSpec, seed: int) -> tuple[list[int], list[int]]:
    """Rows to learn from and rows to validate on, as the recipe says: one fold of several, or a share."""
    if data.folds is None:
        return holdout(strata, data.validation_fraction, seed)
    if data.folds > len(strata):
        text = f"dataset.folds is {data.folds}, but there are {len(strata)} rows to cut."
        raise UserError("data:too-few-rows", text)
    by_class: dict[int, list[int]] = {}
    for row in _shuffled(len(strata), seed):
        by_class.setdefault(strata[row], []).append(row)
    # Dealt like cards, class after class: folds differ by one row in size, and by one in each class.
    dealt = [row for key in sorted(by_class) for row in by_class[key]]
    held = sorted(dealt[data.fold :: data.folds])
    out = set(held)
    return [row for row in range(len(strata)) if row not in out], held


def thin(rows: Sequence[int], targets: Sequence[int], limit: int | None, seed: int) -> list[int]:
    """At most `limit` rows, taken from the classes in turn so that small ones survive."""
    if limit is None or len(rows) <= limit:
        return list(rows)
    by_class: dict[int, list[int]] = {}
    for place in _shuffled(len(rows), seed):
        by_class.setdefault(targets[rows[place]], []).append(rows[place])
    turns = itertools.chain.from_iterable(itertools.zip_longest(*(by_class[key] for key in sorted(by_class))))
    return sorted(itertools.islice((row for row in turns if row is not None), limit))


def find_rows(root: Path, name: str, image_column: str, label_column: Columns) -> Rows:
    """The rows of split `name`, at least one, with their raw labels. Raises `UserError` in plain terms."""
    rows = _find_rows(root, name, image_column, label_column)
    if not rows.labels:
        raise UserError("data:empty", f"The split {name!r} holds no images.")
    return rows


def _find_rows(root: Path, name: str, image_column: str, label_column: Columns) -> Rows:
    check_name(name)
    shards = parquet_files(root, name)
    if shards:
        return read_parquet(shards, root, image_column, label_column)
    table = table_file(root, name, ("csv", "jsonl"))
    if table:
        return read_listing(table, root, image_column, label_column)
    for folder in (root / name, root / "data" / name):
        if folder.is_dir() and _class_folders(folder):
            return _folder_rows(folder, root)
    has_splits = any((root / split).is_dir() for split in SPLIT_NAMES)
    if name == "train" and not has_splits and _class_folders(root):
        return _folder_rows(root, root)
    raise UserError("data:no-split", f"The data set has no split {name!r}.")


def _class_folders(folder: Path) -> list[Path]:
    return sorted(
        (
            path
            for path in folder.iterdir()
            if path.is_dir() and not path.name.startswith(".") and _images(path)
        ),
        key=lambda path: natural(path.name),
    )


def _images(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    )


def _folder_rows(folder: Path, root: Path) -> Rows:
    pairs = [(path, kind.name) for kind in _class_folders(folder) for path in _images(kind)]
    if len(pairs) > MAX_ROWS:
        raise UserError("data:too-large", f"The split has more than {MAX_ROWS:,} images.")

    def images(wanted: set[int]) -> Iterator[tuple[int, Source]]:
        return ((index, pairs[index][0]) for index in sorted(wanted))

    labels = [label for _, label in pairs]
    return Rows(labels, None, lambda index: pairs[index][0].relative_to(root).as_posix(), images)


def _shuffled(n: int, seed: int) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(n, generator=generator).tolist()
