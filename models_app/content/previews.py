"""First look at an image dataset from its list of files: splits, class counts, a few images of each class.

A preview is JSON: `{"splits": [{"name", "rows"}], "classes": [{"label", "count", "splits": {name: count}}],
"images": [{"label", "src"}], "problems": [sentence]}`; `src` is a path on this hub or a `data:` URI.
"""

from __future__ import annotations

import csv
import io
import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from models_app.content.yaml_text import storable_text

MAX_IMAGES = 24
MAX_CLASSES = 1000
MAX_TABLE_BYTES = 16 * 1024 * 1024
MAX_TABLE_ROWS = 500_000
IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp")
LABEL_COLUMNS = ("label", "labels", "class", "category", "target")
_SPLITS = {
    "train": "train", "training": "train", "test": "test", "testing": "test", "eval": "validation",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
}  # fmt: skip
_NOT_LABELS = ("data", "images", *_SPLITS)
Item = TypeVar("Item")
UrlOf = Callable[[str], str]


class Tally:
    """Counts rows by split and by label while somebody else reads them."""

    def __init__(self) -> None:
        self.splits: dict[str, int] = {}
        self.labels: dict[str, dict[str, int]] = {}

    def add(self, split: str, label: str | None, number: int = 1) -> None:
        """`number` more rows; a label beyond the first 1,000 counts only into its split."""
        self.splits[split] = self.splits.get(split, 0) + number
        label = None if label is None else storable_text(label[:100])
        if label is None or (label not in self.labels and len(self.labels) >= MAX_CLASSES):
            return
        counts = self.labels.setdefault(label, {})
        counts[split] = counts.get(split, 0) + number

    def as_preview(self, images: Sequence[dict[str, str]], problems: Sequence[str] = ()) -> dict[str, Any]:
        """The JSON of this tally; splits in the usual order, classes as `sort_labels` orders them."""
        order = {"train": 0, "validation": 1, "test": 2}
        splits = sorted(self.splits.items(), key=lambda item: (order.get(item[0], 9), item[0]))
        classes = [
            {"label": label, "count": sum(self.labels[label].values()), "splits": self.labels[label]}
            for label in sort_labels(self.labels)
        ]
        return {
            "splits": [{"name": name, "rows": rows} for name, rows in splits],
            "classes": classes,
            "images": list(images),
            "problems": list(problems),
        }


def split_of(path: str) -> str:
    """The split a path belongs to: a folder, or the file name's first word, named like one; else `train`."""
    *folders, name = path.lower().split("/")
    for part in folders:
        if part in _SPLITS:
            return _SPLITS[part]
    word = name.split(".")[0].split("-")[0].split("_")[0]
    return _SPLITS.get(word, "train")


def preview_folders(paths: Iterable[str], url_of: UrlOf) -> dict[str, Any] | None:
    """Images in folders named after their class (`train/cat/1.png`); None when there are no images at all."""
    tally = Tally()
    examples: list[tuple[str, str]] = []
    for path in paths:
        if not path.lower().endswith(IMAGE_ENDINGS):
            continue
        label = _label_of(path)
        tally.add(split_of(path), label)
        examples.append((label or "", path))
    if not examples:
        return None
    if len(tally.labels) < 2:
        tally.labels.clear()  # one folder of pictures is a folder, not a class
    return tally.as_preview(_examples(examples, url_of))


def _label_of(path: str) -> str | None:
    folder = posixpath.basename(posixpath.dirname(path))
    return folder if folder and folder.lower() not in _NOT_LABELS else None


def preview_tables(
    tables: Sequence[tuple[str, bytes]], paths: Sequence[str], url_of: UrlOf
) -> dict[str, Any] | None:
    """Images listed in `metadata.csv` files ([(path, content)]) with a `file_name` and a label column.

    None when no table has both columns.
    """
    tally, known = Tally(), set(paths)
    examples: list[tuple[str, str]] = []
    problems: list[str] = []
    for table_path, content in tables:
        missing = 0
        try:
            for file_name, label in _table_rows(content, tally):
                image = posixpath.normpath(posixpath.join(posixpath.dirname(table_path), file_name))
                tally.add(split_of(image), label)
                if image in known:
                    examples.append((storable_text(label[:100]), image))
                else:
                    missing += 1
        except csv.Error:
            problems.append(f"{table_path} could not be read as CSV.")
        if missing:
            problems.append(f"{table_path} names {missing} files that are not in the repo.")
    if not tally.splits and not problems:
        return None
    return tally.as_preview(_examples(examples, url_of), problems)


def _table_rows(content: bytes, tally: Tally) -> Iterator[tuple[str, str]]:
    reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig", "replace"), newline=""))
    column = next((name for name in LABEL_COLUMNS if name in (reader.fieldnames or ())), None)
    if column is None or "file_name" not in (reader.fieldnames or ()):
        return
    for row in reader:
        if sum(tally.splits.values()) >= MAX_TABLE_ROWS:
            return
        if row["file_name"] and row[column]:
            yield row["file_name"], row[column]


def _examples(examples: list[tuple[str, str]], url_of: UrlOf) -> list[dict[str, str]]:
    ordered = sorted(examples, key=lambda item: split_of(item[1]) != "train")
    return [{"label": label, "src": url_of(path)} for label, path in spread(ordered, MAX_IMAGES)]


def spread(examples: Iterable[tuple[str, Item]], limit: int) -> list[tuple[str, Item]]:
    """At most `limit` of [(label, item)], one of each label in turn, so that every class is seen."""
    by_label: dict[str, list[Item]] = {}
    for label, item in examples:
        queue = by_label.setdefault(label, [])
        if len(queue) < limit:
            queue.append(item)
    labels = sort_labels(by_label)
    in_turn = (
        (label, by_label[label][turn])
        for turn in range(limit)
        for label in labels
        if turn < len(by_label[label])
    )
    return list(islice(in_turn, limit))


def sort_labels(labels: Iterable[str]) -> list[str]:
    """Numbers by value, then the rest by letter."""

    def key(label: str) -> tuple[bool, int, str]:
        is_number = label.isdecimal() and len(label) < 19
        return not is_number, int(label) if is_number else 0, label

    return sorted(labels, key=key)
