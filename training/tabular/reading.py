"""A split of a snapshot directory as columns, from Parquet, CSV or JSON lines; everything read is bounded."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training.errors import UserError
from training.splits import card_names, check_name, parquet_files, table_file
from training.tables import (
    MAX_ROW_GROUP_BYTES,
    MAX_TABLE_BYTES,
    declared_names,
    jsonl_rows,
    parquet_errors,
    require_columns,
)
from training.tabular.columns import MAX_COLUMNS, Column, Table, column_of

# A column of text costs some 60 bytes a cell, one of numbers 8.
MAX_CELLS = 50_000_000
MAX_ROWS = 10_000_000


def read_table(data_dir: Path, split: str, wanted: Sequence[str] | None = None) -> Table:
    """The columns of `split` (`wanted` alone, if given), in file order. Raises `UserError` in plain terms."""
    check_name(split)
    shards = parquet_files(data_dir, split)
    file = None if shards else table_file(data_dir, split, ("csv", "jsonl"))
    if shards:
        table = _read_parquet(shards, data_dir, wanted)
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
        table = _read_parquet([file], file.parent, None)
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
            _refuse_twins(header, name)
            require_columns(dict.fromkeys(header), tuple(wanted or ()), name)
            limit = _row_limit(len(header), name)
            kept = [place for place, key in enumerate(header) if wanted is None or key in wanted]
            cells: list[list[Any]] = [[] for _ in kept]
            count = 0
            for row in reader:
                if not row:
                    continue
                count += 1
                if count > limit:
                    raise _too_many(name, limit)
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
        limit = _row_limit(len(seen), name)
        if count > limit:
            raise _too_many(name, limit)
    require_columns(seen, tuple(wanted or ()), name)
    for column in cells.values():
        column.extend([None] * (count - len(column)))
    return cells, count


def _row_limit(columns: int, name: str) -> int:
    if columns > MAX_COLUMNS:
        raise UserError("data:too-large", f"The table {name} has more than {MAX_COLUMNS:,} columns.")
    return min(MAX_ROWS, MAX_CELLS // max(columns, 1))


def _read_parquet(files: list[Path], root: Path, wanted: Sequence[str] | None) -> Table:
    import pyarrow.parquet as pq

    starts, kept = [0], None if wanted is None else list(wanted)
    names: dict[str, list[str]] = {}
    pieces: dict[str, list[Any]] = {}
    for file in files:
        label = file.relative_to(root).as_posix()
        with parquet_errors(file, root):
            found = pq.ParquetFile(file)
            schema = found.schema_arrow
            _refuse_twins(schema.names, label)
            kept = list(schema.names) if kept is None else kept
            require_columns(dict.fromkeys(schema.names), tuple(kept), label)
            _check_size(found.metadata, label, starts[-1], len(kept))
            names = names or {key: declared for key in kept if (declared := declared_names(schema, key))}
            content = found.read(columns=kept)
        starts.append(starts[-1] + content.num_rows)
        for key in kept:
            pieces.setdefault(key, []).append(content.column(key))
    columns = {key: _arrow_column(key, parts) for key, parts in pieces.items()}

    def where(index: int) -> str:
        shard = max(place for place, start in enumerate(starts[:-1]) if start <= index)
        return f"in {files[shard].relative_to(root).as_posix()}, row {index - starts[shard] + 1}"

    return Table(columns, starts[-1], where, names)


def _check_size(metadata: Any, name: str, before: int, columns: int) -> None:
    """Refuse announced sizes beyond the bounds before any page is read."""
    limit = _row_limit(columns, name)
    if before + metadata.num_rows > limit:
        raise _too_many(name, limit)
    for group in range(metadata.num_row_groups):
        if metadata.row_group(group).total_byte_size > MAX_ROW_GROUP_BYTES:
            raise UserError("data:too-large", f"{name} has a row group larger than 8 GiB.")


def _arrow_column(name: str, parts: list[Any]) -> Column:
    """Shards of one column, whose types may differ (whole numbers here, fractions there)."""
    import pyarrow as pa
    import pyarrow.types as kinds

    chunks = [chunk for part in parts for chunk in part.chunks]
    chunks = [chunk.dictionary_decode() if kinds.is_dictionary(chunk.type) else chunk for chunk in chunks]
    types = {chunk.type for chunk in chunks} or {part.type for part in parts}

    def all_are(*tests: Any) -> bool:
        return all(kinds.is_null(kind) or any(test(kind) for test in tests) for kind in types)

    if all_are(kinds.is_integer, kinds.is_floating, kinds.is_decimal):
        arrays = [chunk.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False) for chunk in chunks]
        return Column(name, "number", np.concatenate([*arrays, np.empty(0)]).astype(np.float64))
    if all_are(kinds.is_timestamp, kinds.is_date):
        arrays = [
            chunk.cast(pa.timestamp("s"), safe=False).to_numpy(zero_copy_only=False) for chunk in chunks
        ]
        return Column(name, "time", np.concatenate([*arrays, np.empty(0, "datetime64[s]")]))
    if all_are(kinds.is_string, kinds.is_large_string, kinds.is_boolean):
        return column_of(name, [cell for chunk in chunks for cell in chunk.to_pylist()])
    return Column(name, "other", np.empty(0))


def _refuse_twins(names: list[str], file: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise UserError("data:twin-columns", f"{file} has two columns called {name[:100]!r}.")
        seen.add(name)


def _too_many(name: str, limit: int) -> UserError:
    return UserError(
        "data:too-large", f"The table {name} has more than {limit:,} rows, too many for its width."
    )
