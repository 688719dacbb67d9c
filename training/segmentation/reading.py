"""A snapshot directory to pairs of picture and mask. Layouts: Parquet, table of files, folders."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from training.data import IMAGE_SUFFIXES
from training.errors import UserError
from training.recipe import SegmentationData
from training.splits import SPLIT_NAMES, check_name, natural, parquet_files, table_file
from training.tables import (
    MAX_ROWS,
    Source,
    cell_source,
    check_parquet,
    parquet_errors,
    read_listing,
    safe_path,
)

BATCH_ROWS = 64
MASK_SUFFIXES = (".png", ".bmp", ".gif", ".tif", ".tiff")
MASK_FOLDERS = ("masks", "annotations")
MAX_LABELS = 255
MAX_NAMES_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Pair:
    """A row: its number, where its picture is, where its mask is."""

    row: int
    image: Source
    mask: Source


@dataclass(frozen=True)
class Masks:
    """A split in file order. `where(i)`: row i for people. `pairs(wanted)`: the wanted rows, ascending.

    `labels`: names of the classes by index, None where nobody names them.
    """

    name: str
    count: int
    labels: tuple[str, ...] | None
    where: Callable[[int], str]
    pairs: Callable[[set[int]], Iterator[Pair]]

    def __len__(self) -> int:
        return self.count

    @property
    def strata(self) -> Sequence[int]:
        """Pictures hold several classes each, so none is theirs."""
        return [0] * self.count


def read_masks(root: Path, name: str, data: SegmentationData) -> Masks:
    """Find split `name`; pictures and masks are read later. Raises `UserError` in the user's terms."""
    check_name(name)
    labels = data.labels or declared_labels(root)
    if labels is not None:
        _check_labels(labels, data.ignore_index)
    found = _find(root, name, data)
    if found is None:
        raise UserError("data:no-split", f"The data set has no split {name!r}.")
    count, where, pairs = found
    if not count:
        raise UserError("data:empty", f"The split {name!r} holds no images.")
    return Masks(name, count, labels, where, pairs)


Found = tuple[int, Callable[[int], str], Callable[[set[int]], Iterator[Pair]]]


def _find(root: Path, name: str, data: SegmentationData) -> Found | None:
    shards = parquet_files(root, name)
    if shards:
        return _parquet(shards, root, (data.image_column, data.mask_column))
    table = table_file(root, name, ("csv", "jsonl"))
    if table:
        return _listing(table, root, data)
    for images, masks in _folders(root, name):
        if images.is_dir() and _files(images, tuple(IMAGE_SUFFIXES)):
            return _paired(images, masks, root)
    return None


def declared_labels(root: Path) -> tuple[str, ...] | None:
    """Names of the classes from `id2label.json`, `classes.txt` or the card's `id2label`; None without any."""
    for read in (_from_json, _from_lines, _from_card):
        found = read(root)
        if found:
            return found
    return None


def _from_json(root: Path) -> tuple[str, ...] | None:
    text = _text(root / "id2label.json")
    if text is None:
        return None
    try:
        return _by_index(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        text = 'id2label.json must be an object such as {"0": "background", "1": "cat"}, from 0 without gaps.'
        raise UserError("data:bad-labels", text) from None


def _from_lines(root: Path) -> tuple[str, ...] | None:
    text = _text(root / "classes.txt")
    return tuple(line.strip() for line in text.splitlines() if line.strip()) if text else None


def _from_card(root: Path) -> tuple[str, ...] | None:
    text = _text(root / "README.md")
    if text is None or not text.startswith("---"):
        return None
    try:
        return _by_index(yaml.safe_load(text[3:].partition("\n---")[0])["id2label"])
    except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _by_index(plain: Any) -> tuple[str, ...]:
    if isinstance(plain, list):
        return tuple(str(name) for name in plain)
    by_index = {int(key): str(name) for key, name in plain.items()}
    return tuple(by_index[index] for index in range(len(by_index)))


def _text(path: Path) -> str | None:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(MAX_NAMES_BYTES)
    except OSError:
        return None


def _check_labels(labels: Sequence[str], ignore: int) -> None:
    if len(labels) > MAX_LABELS:
        text = f"The data set names {len(labels):,} classes; masks hold at most {MAX_LABELS}."
        raise UserError("data:too-many-classes", text)
    if len(set(labels)) != len(labels) or not all(name and len(name) <= 200 for name in labels):
        text = "The data set's classes must have names of their own, of at most 200 characters."
        raise UserError("data:bad-labels", text)
    if ignore < len(labels):
        text = f"dataset.ignore_index is {ignore}, which is the class {labels[ignore][:60]!r}; choose 255."
        raise UserError("data:bad-labels", text)


def _parquet(files: list[Path], root: Path, columns: tuple[str, str]) -> Found:
    import pyarrow.parquet as pq

    starts, count = list[int](), 0
    for file in files:
        starts.append(count)
        with parquet_errors(file, root):
            table = pq.ParquetFile(file)
            check_parquet(table, file, root, columns, count)
            count += table.metadata.num_rows

    def where(index: int) -> str:
        shard = max(i for i, start in enumerate(starts) if start <= index)
        return f"in {files[shard].relative_to(root).as_posix()}, row {index - starts[shard] + 1}"

    def pairs(wanted: set[int]) -> Iterator[Pair]:
        last = max(wanted, default=-1)
        for file, start in zip(files, starts, strict=True):
            if start > last:
                return
            with parquet_errors(file, root):
                yield from _cells(pq.ParquetFile(file), columns, start, wanted, root, where)

    return count, where, pairs


def _cells(
    table: Any,
    columns: tuple[str, str],
    start: int,
    wanted: set[int],
    root: Path,
    where: Callable[[int], str],
) -> Iterator[Pair]:
    index = start
    for batch in table.iter_batches(BATCH_ROWS, columns=list(columns)):
        rows = range(index, index + batch.num_rows)
        index += batch.num_rows
        if wanted.isdisjoint(rows):
            continue
        image, mask = (batch.column(column) for column in columns)
        for place, row in enumerate(rows):
            if row in wanted:
                yield Pair(
                    row,
                    cell_source(image[place].as_py(), root, where(row)),
                    _mask_source(mask[place].as_py(), root, where(row)),
                )


def _mask_source(cell: Any, root: Path, where: str) -> Source:
    held = cell.get("bytes") or cell.get("path") if isinstance(cell, dict) else cell
    if not isinstance(held, bytes | str) or not held:
        raise UserError("data:missing-mask", f"There is no mask {where}.")
    return cell_source(held, root, where)


def _listing(table: Path, root: Path, data: SegmentationData) -> Found:
    rows = read_listing(table, root, data.image_column, data.mask_column)

    def pairs(wanted: set[int]) -> Iterator[Pair]:
        for row, image in rows.images(wanted):
            mask = rows.labels[row]
            if not mask:
                raise UserError("data:missing-mask", f"There is no mask for {rows.where(row)}.")
            yield Pair(row, image, table.parent / safe_path(mask, rows.where(row)))

    return len(rows.labels), rows.where, pairs


def _folders(root: Path, name: str) -> Iterator[tuple[Path, tuple[Path, ...]]]:
    """Where pictures may lie, and where their masks then do."""
    for top in (root, root / "data"):
        yield top / "images" / name, tuple(top / folder / name for folder in MASK_FOLDERS)
        yield top / name / "images", tuple(top / name / folder for folder in MASK_FOLDERS)
    has_splits = any((root / place / split).is_dir() for split in SPLIT_NAMES for place in ("", "images"))
    if name == "train" and not has_splits:
        yield root / "images", tuple(root / folder for folder in MASK_FOLDERS)


def _paired(images: Path, masks: Sequence[Path], root: Path) -> Found:
    """Pictures and masks of equal stems. Raises `UserError` for one without the other."""
    folder = next((place for place in masks if place.is_dir()), None)
    if folder is None:
        text = f"There are pictures in {_told(images, root)}, but no masks in {_told(masks[0], root)}."
        raise UserError("data:missing-mask", text)
    pictures, found = _files(images, tuple(IMAGE_SUFFIXES)), _by_stem(_files(folder, MASK_SUFFIXES), root)
    _by_stem(pictures, root)
    if len(pictures) > MAX_ROWS:
        raise UserError("data:too-large", f"The split has more than {MAX_ROWS:,} images.")
    for path in pictures:
        if path.stem not in found:
            text = f"The picture {_told(path, root)} has no mask of the same name in {_told(folder, root)}."
            raise UserError("data:missing-mask", text)
    stems = {path.stem for path in pictures}
    lonely = next((path for stem, path in found.items() if stem not in stems), None)
    if lonely is not None:
        text = f"The mask {_told(lonely, root)} has no picture of the same name in {_told(images, root)}."
        raise UserError("data:missing-image", text)

    def pairs(wanted: set[int]) -> Iterator[Pair]:
        return (Pair(row, pictures[row], found[pictures[row].stem]) for row in sorted(wanted))

    return len(pictures), lambda index: f"of {_told(pictures[index], root)}", pairs


def _by_stem(paths: Sequence[Path], root: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in paths:
        if path.stem in found:
            both = f"{_told(found[path.stem], root)} and {_told(path, root)}"
            raise UserError("data:ambiguous", f"Two files have the same name but for its ending: {both}.")
        found[path.stem] = path
    return found


def _files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    paths = (
        path for path in folder.iterdir() if path.suffix.lower() in suffixes and path.name[0] not in "._"
    )
    return sorted(paths, key=lambda path: (natural(path.stem), path.name))


def _told(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
