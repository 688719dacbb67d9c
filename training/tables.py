"""Rows of image and label from CSV, JSON lines and Parquet, bounded; refusals name the file and the row."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

from training.errors import UserError

MAX_ROWS = 10_000_000
MAX_TABLE_BYTES = 1024 * 1024 * 1024
MAX_ROW_GROUP_BYTES = 8 * 1024 * 1024 * 1024
BATCH_ROWS = 256
# The csv module's own limit, 128 Ki, is short for a text; none at all would let one quote eat the file.
MAX_CELL_CHARS = 16 * 1024 * 1024

Source = bytes | Path  # where an image is: encoded bytes, or a file
Columns = str | tuple[str, ...]  # one column, or several whose cells come as tuples


@dataclass(frozen=True)
class Rows:
    """A split in file order: the raw label of every row, and its images on demand.

    `names`: class names by index, where the file declares them. `where(i)`: row i for people.
    `images(wanted)`: (row, source) for the wanted rows, ascending.
    """

    labels: list[Any]
    names: list[str] | None
    where: Callable[[int], str]
    images: Callable[[set[int]], Iterator[tuple[int, Source]]]


def read_listing(table: Path, root: Path, image_column: str, label_column: Columns) -> Rows:
    """A CSV or JSON-lines table of `file_name` (or the image column) and label, paths relative to it."""
    name = table.relative_to(root).as_posix()
    if table.stat().st_size > MAX_TABLE_BYTES:
        raise UserError("data:too-large", f"The table {name} is larger than 1 GiB.")
    paths: list[Path] = []
    labels: list[Any] = []
    read = csv_rows if table.suffix == ".csv" else jsonl_rows
    for number, row in enumerate(read(table, name), start=1):
        column = "file_name" if "file_name" in row else image_column
        require_columns(row, (column, *column_names(label_column)), name)
        if len(paths) >= MAX_ROWS:
            raise UserError("data:too-large", f"The table {name} has more than {MAX_ROWS:,} rows.")
        paths.append(table.parent / safe_path(row[column], f"{name}, row {number}"))
        cells = tuple(row[part] for part in column_names(label_column))
        labels.append(cells[0] if isinstance(label_column, str) else cells)

    def images(wanted: set[int]) -> Iterator[tuple[int, Source]]:
        return ((index, paths[index]) for index in sorted(wanted))

    return Rows(labels, None, lambda index: f"{paths[index].name} ({name}, row {index + 1})", images)


def read_parquet(files: list[Path], root: Path, image_column: str, label_column: Columns) -> Rows:
    """Parquet shards in name order, images as bytes or struct{bytes, path}; only labels are read at once."""
    import pyarrow.parquet as pq

    labels, starts, wanted_columns = list[Any](), list[int](), column_names(label_column)
    names: list[str] | None = None
    for file in files:
        starts.append(len(labels))
        with parquet_errors(file, root):
            table = pq.ParquetFile(file)
            check_parquet(table, file, root, (image_column, *wanted_columns), len(labels))
            if isinstance(label_column, str):
                names = names or declared_names(table.schema_arrow, label_column)
            for batch in table.iter_batches(BATCH_ROWS * 64, columns=list(wanted_columns)):
                cells = [batch.column(column).to_pylist() for column in wanted_columns]
                labels.extend(cells[0] if isinstance(label_column, str) else zip(*cells, strict=True))

    def where(index: int) -> str:
        shard = max(i for i, start in enumerate(starts) if start <= index)
        return f"in {files[shard].relative_to(root).as_posix()}, row {index - starts[shard] + 1}"

    def images(wanted: set[int]) -> Iterator[tuple[int, Source]]:
        for file, start in zip(files, starts, strict=True):
            with parquet_errors(file, root):
                yield from _parquet_images(pq.ParquetFile(file), image_column, start, wanted, root, where)

    return Rows(labels, names, where, images)


def column_names(columns: Columns) -> tuple[str, ...]:
    return (columns,) if isinstance(columns, str) else columns


def _parquet_images(
    table: Any, column: str, start: int, wanted: set[int], root: Path, where: Callable[[int], str]
) -> Iterator[tuple[int, Source]]:
    index, last = start, max(wanted, default=-1)
    for batch in table.iter_batches(BATCH_ROWS, columns=[column]):
        if index > last:
            return
        if wanted.isdisjoint(range(index, index + batch.num_rows)):
            index += batch.num_rows
            continue
        for cell in batch.column(0):
            if index in wanted:
                yield index, cell_source(cell.as_py(), root, where(index))
            index += 1


def cell_source(cell: Any, root: Path, where: str) -> Source:
    """Where the image of a cell is: bytes, a path, or struct{bytes, path}. `UserError` for none."""
    if isinstance(cell, dict):
        cell = cell.get("bytes") or cell.get("path")
    if isinstance(cell, bytes):
        return cell
    if isinstance(cell, str):
        return root / safe_path(cell, where)
    raise UserError("data:missing-image", f"There is no image {where}.")


def check_parquet(table: Any, file: Path, root: Path, columns: tuple[str, ...], before: int) -> None:
    """Refuse missing columns and announced sizes beyond the bounds before any page is read."""
    name = file.relative_to(root).as_posix()
    require_columns(dict.fromkeys(table.schema_arrow.names), columns, name)
    if before + table.metadata.num_rows > MAX_ROWS:
        raise UserError("data:too-large", f"The split has more than {MAX_ROWS:,} rows (at {name}).")
    for group in range(table.metadata.num_row_groups):
        if table.metadata.row_group(group).total_byte_size > MAX_ROW_GROUP_BYTES:
            raise UserError("data:too-large", f"{name} has a row group larger than 8 GiB.")


def declared_names(schema: Any, label_column: str) -> list[str] | None:
    """Class names that the `datasets` library writes into the schema, or None."""
    try:
        info = json.loads((schema.metadata or {})[b"huggingface"])
        feature = info["info"]["features"][label_column]
        # Tags of tokens are a list of classes, spelled in two ways over the years.
        feature = feature[0] if isinstance(feature, list) else feature.get("feature", feature)
        names = feature["names"]
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, RecursionError):
        return None
    return [str(name) for name in names] if isinstance(names, list) else None


class parquet_errors:
    """Arrow's own exceptions become one sentence naming the file."""

    def __init__(self, file: Path, root: Path) -> None:
        self.name = file.relative_to(root).as_posix()

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        import pyarrow

        if isinstance(error, pyarrow.ArrowException | OSError):
            raise UserError("data:broken-table", f"{self.name} is not a readable Parquet file.") from error


def csv_rows(table: Path, name: str) -> Iterator[dict[str, Any]]:
    """The rows of a CSV in UTF-8 whose first row names the columns; refusals call the file `name`."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            for row in _wide_rows(file):
                yield {key: value for key, value in row.items() if key is not None and value is not None}
    except (UnicodeDecodeError, csv.Error):
        raise UserError("data:broken-table", f"{name} is not a readable CSV table in UTF-8.") from None


def _wide_rows(file: TextIO) -> Iterator[dict[str, Any]]:
    """The rows, with long cells. The limit is the whole process's, so it is raised for a row at a time."""
    rows, more = csv.DictReader(file), True
    while more:
        before = csv.field_size_limit(MAX_CELL_CHARS)
        try:
            row = next(rows, None)
        finally:
            csv.field_size_limit(before)
        more = row is not None
        if row is not None:
            yield row


def jsonl_rows(table: Path, name: str) -> Iterator[dict[str, Any]]:
    """The objects of a JSON-lines file; empty lines are left out."""
    with table.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict):
                raise UserError("data:broken-table", f"{name}, line {number}, is not a JSON object.")
            yield row


def require_columns(row: dict[str, Any], columns: tuple[str, ...], name: str) -> None:
    """Raises `UserError` `data:missing-column` with the columns there are."""
    for column in columns:
        if column not in row:
            have = ", ".join(sorted(row)[:20])
            text = f"{name} has no column {column!r}; its columns are: {have}."
            raise UserError("data:missing-column", text)


def safe_path(text: Any, where: str) -> PurePosixPath:
    """A path inside the data set, judged by its parts: files of a snapshot link into the client's cache."""
    path = PurePosixPath(text) if isinstance(text, str) and "\0" not in text else None
    if path is None or path.is_absolute() or ".." in path.parts or not path.parts or len(str(path)) > 1000:
        raise UserError("data:unsafe-path", f"The image path at {where} must lie inside the data set.")
    return path
