"""A split of a snapshot directory as columns, from Parquet, CSV or JSON lines; everything read is bounded."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.errors import UserError
from training.splits import card_names, check_name, parquet_files, table_file
from training.tables import MAX_TABLE_BYTES, jsonl_rows, require_columns
from training.tabular.bounds import refuse_twins, row_limit, too_many
from training.tabular.columns import Table, column_of
from training.tabular.shards import read_shards


def read_table(data_dir: Path, split: str, wanted: Sequence[str] | None = None) -> Table:
    """The columns of `split` (`wanted` alone, if given), in file order. Raises `UserError` in plain terms."""
    check_name(split)
    shards = parquet_files(data_dir, split)
    file = None if shards else table_file(data_dir, split, ("csv", "jsonl"))
    if shards:
        table = read_shards(shards, data_dir, wanted)
    elif file is not None:
        table = _read_text(file, data_dir, wanted)
    else:
        text = (
            f"The data set has no split {split!r}; a table is a file such as {split}.csv or {split}.parquet."
        )
        raise UserError("data:no-split", text)
    if not table.rows:
        raise UserError("data:empty", f"The split {split!r} holds no rows.")
    return table


def read_file(file: Path) -> Table:
    """All columns of one CSV, JSON-lines or Parquet file. Raises `UserError`."""
    if not file.is_file():
        raise UserError("data:no-file", f"The file {file} cannot be read.")
    if file.suffix not in (".csv", ".jsonl", ".parquet"):
        text = f"A table is a .csv, .jsonl or .parquet file, got {file.name[:100]!r}."
        raise UserError("data:broken-table", text)
    if file.suffix == ".parquet":
        table = read_shards([file], file.parent, None)
    else:
        table = _read_text(file, file.parent, None)
    if not table.rows:
        raise UserError("data:empty", f"{file.name} holds no rows.")
    return table


def class_names(table: Table, data_dir: Path, column: str) -> list[str] | None:
    """The classes that the file or the card declares for a column of whole numbers, or None."""
    return table.names.get(column) or card_names(data_dir, column)


def _read_text(file: Path, root: Path, wanted: Sequence[str] | None) -> Table:
    name = file.relative_to(root).as_posix()
    if file.stat().st_size > MAX_TABLE_BYTES:
        raise UserError("data:too-large", f"The table {name} is larger than 1 GiB.")
    read = _csv_cells if file.suffix == ".csv" else _jsonl_cells
    cells, count = read(file, name, wanted)
    columns = {key: column_of(key, cells[key]) for key in (cells if wanted is None else wanted)}
    return Table(columns, count, lambda index: f"in {name}, row {index + 1}")


def _csv_cells(file: Path, name: str, wanted: Sequence[str] | None) -> tuple[dict[str, list[Any]], int]:
    """Columns of text cells, and the number of rows."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines)
            header = next(reader, [])
            refuse_twins(header, name)
            require_columns(dict.fromkeys(header), tuple(wanted or ()), name)
            limit = row_limit(len(header), name)
            kept = [place for place, key in enumerate(header) if wanted is None or key in wanted]
            cells: list[list[Any]] = [[] for _ in kept]
            count = 0
            for row in reader:
                if not row:
                    continue
                count += 1
                if count > limit:
                    raise too_many(name, limit)
                if len(row) != len(header):
                    text = f"{name}, row {count}, has {len(row)} cells where the header has {len(header)}."
                    raise UserError("data:broken-table", text)
                for place, column in zip(kept, cells, strict=True):
                    column.append(row[place])
    except (UnicodeDecodeError, csv.Error):
        raise UserError("data:broken-table", f"{name} is not a readable CSV table in UTF-8.") from None
    return {header[place]: column for place, column in zip(kept, cells, strict=True)}, count


def _jsonl_cells(file: Path, name: str, wanted: Sequence[str] | None) -> tuple[dict[str, list[Any]], int]:
    """Columns of JSON values, None where a row lacks the field, and the number of rows."""
    cells: dict[str, list[Any]] = {}
    seen: dict[str, None] = {}
    count = 0
    for row in jsonl_rows(file, name):
        seen.update(dict.fromkeys(row))
        for key, value in row.items():
            if wanted is None or key in wanted:
                column = cells.setdefault(key, [])
                column.extend([None] * (count - len(column)))
                column.append(value)
        count += 1
        limit = row_limit(len(seen), name)
        if count > limit:
            raise too_many(name, limit)
    require_columns(seen, tuple(wanted or ()), name)
    for column in cells.values():
        column.extend([None] * (count - len(column)))
    return cells, count
