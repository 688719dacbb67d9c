"""Rows of a split from CSV, JSON, JSON lines or Parquet with some columns wanted, in file order, bounded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.errors import UserError
from training.splits import check_name, parquet_files, table_file
from training.tables import (
    MAX_TABLE_BYTES,
    check_parquet,
    csv_rows,
    declared_names,
    jsonl_rows,
    parquet_errors,
    require_columns,
)

MAX_ROWS = 5_000_000
# A JSON array is read whole; JSON lines are not.
MAX_ARRAY_BYTES = 256 * 1024 * 1024
BATCH_ROWS = 4096
TABLES = ("csv", "jsonl", "json")


@dataclass
class Cells:
    """`values[column][i]`: what row i holds. `names`: class names that the file itself declares, or None."""

    values: dict[str, list[Any]]
    names: list[str] | None = None
    files: list[tuple[str, int]] = field(default_factory=list)

    def where(self, index: int) -> str:
        """Row `index` for people: the file and the row in it, counted from 1."""
        name, start = max((item for item in self.files if item[1] <= index), key=lambda item: item[1])
        return f"in {name}, row {index - start + 1}"

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))


def has_cells(root: Path, split: str) -> bool:
    """Whether the split is there as a table at all."""
    return bool(parquet_files(root, split)) or table_file(root, split, TABLES) is not None


def read_cells(root: Path, split: str, columns: Sequence[str], label_column: str) -> Cells:
    """The wanted columns of a split. Raises `UserError` for a missing split or column, and beyond bounds."""
    check_name(split)
    cells = Cells({column: [] for column in columns})
    shards = parquet_files(root, split)
    if shards:
        for file in shards:
            _add_parquet(cells, file, root, label_column)
        return cells
    table = table_file(root, split, TABLES)
    if table is None:
        raise UserError("data:no-split", f"The data set has no split {split!r} as CSV, JSON or Parquet.")
    _add_table(cells, table, root)
    return cells


def _add_parquet(cells: Cells, file: Path, root: Path, label_column: str) -> None:
    import pyarrow.parquet as pq

    name, columns = file.relative_to(root).as_posix(), list(cells.values)
    before = len(cells)
    cells.files.append((name, before))
    with parquet_errors(file, root):
        table = pq.ParquetFile(file)
        check_parquet(table, file, root, tuple(columns), before)
        if before + table.metadata.num_rows > MAX_ROWS:
            raise _too_many(name)
        cells.names = cells.names or declared_names(table.schema_arrow, label_column)
        for batch in table.iter_batches(BATCH_ROWS, columns=columns):
            for column in columns:
                cells.values[column].extend(batch.column(column).to_pylist())


def _add_table(cells: Cells, table: Path, root: Path) -> None:
    name = table.relative_to(root).as_posix()
    if table.stat().st_size > MAX_TABLE_BYTES:
        raise UserError("data:too-large", f"The table {name} is larger than 1 GiB.")
    cells.files.append((name, 0))
    read = {".csv": csv_rows, ".jsonl": jsonl_rows, ".json": _json_rows}[table.suffix]
    for number, row in enumerate(read(table, name), start=1):
        if number == 1:
            require_columns(row, tuple(cells.values), name)
        if number > MAX_ROWS:
            raise _too_many(name)
        for column, values in cells.values.items():
            if column not in row:
                raise UserError("data:missing-cell", f"{name}, row {number}, has no {column!r}.")
            values.append(row[column])


def _json_rows(table: Path, name: str) -> Iterator[dict[str, Any]]:
    """An array of objects, or an object a line."""
    with table.open("rb") as file:
        array = file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
    if not array:
        yield from jsonl_rows(table, name)
        return
    if table.stat().st_size > MAX_ARRAY_BYTES:
        raise UserError("data:too-large", f"{name} is larger than 256 MiB; write one JSON object a line.")
    try:
        rows = json.loads(table.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise UserError("data:broken-table", f"{name} is not valid JSON in UTF-8.") from None
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise UserError("data:broken-table", f"{name}, row {number}, is not a JSON object.")
        yield row


def _too_many(name: str) -> UserError:
    return UserError("data:too-large", f"The split has more than {MAX_ROWS:,} rows (at {name}).")
