"""The first rows of a file of records as text in cells: CSV, TSV, JSON lines and Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO

MAX_ROWS = 100
MAX_COLUMNS = 60
MAX_CELL = 300
# Of one column of the first row group, unpacked: beyond it the column's cells are left empty.
MAX_COLUMN_BYTES = 16 * 1024**2
MAX_TABLE_BYTES = 64 * 1024**2
_BUFFER_BYTES = 256 * 1024


@dataclass(frozen=True)
class Table:
    """`rows` as wide as `columns`; `total` is the number of rows where the file tells it, `has_more` whether
    there are more than these, `left_out` how many columns are not shown."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    has_more: bool
    total: int | None = None
    left_out: int = 0


def read_delimited(text: str, delimiter: str, *, is_cut: bool = False) -> Table | None:
    """The first rows of CSV or TSV; None where there is no table in it. `is_cut`: the text goes on."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=delimiter)
    try:
        found = list(islice(reader, MAX_ROWS + 2))
    except csv.Error:
        return None
    found = [row for row in found if row]
    if not found or (len(found[0]) < 2 and len(found) < 2):
        return None
    if is_cut and len(found) < MAX_ROWS + 2:
        found = found[:-1] or found  # the last line may be half of one
    return _table(found[0], found[1 : MAX_ROWS + 1], has_more=is_cut or len(found) > MAX_ROWS + 1)


def read_json_lines(text: str, *, is_cut: bool = False) -> Table | None:
    """The first records of JSON lines; None where a line is no record."""
    lines = [line for line in text.split("\n") if line.strip()]
    if is_cut and len(lines) < MAX_ROWS + 1:
        lines = lines[:-1]
    try:
        records = [json.loads(line) for line in lines[:MAX_ROWS]]
    except (ValueError, RecursionError):
        return None
    if not records or not all(isinstance(record, dict) for record in records):
        return None
    names = list(dict.fromkeys(str(name) for record in records for name in record))
    rows = [[_cell(record.get(name, "")) for name in names] for record in records]
    return _table(names, rows, has_more=is_cut or len(lines) > MAX_ROWS)


def read_parquet(file: BinaryIO) -> Table | None:
    """The first rows of a Parquet file in bounded memory; None where it cannot be read."""
    import pyarrow
    from pyarrow import parquet

    try:
        reader = parquet.ParquetFile(file, pre_buffer=False, buffer_size=_BUFFER_BYTES)
        names = [str(name) for name in reader.schema_arrow.names]
        columns = _affordable(reader, names[:MAX_COLUMNS])
        total = max(0, int(reader.metadata.num_rows))
        cells: list[list[str]] = []
        if columns and reader.num_row_groups:
            batches = reader.iter_batches(MAX_ROWS, row_groups=[0], columns=columns, use_threads=False)
            first = next(iter(batches), None)
            if first is not None:
                lists = {name: first.column(name).to_pylist() for name in columns}
                cells = [
                    [_cell(lists[name][row]) if name in lists else "…" for name in names[:MAX_COLUMNS]]
                    for row in range(min(first.num_rows, MAX_ROWS))
                ]
    except (pyarrow.ArrowException, OSError, ValueError, KeyError, MemoryError, OverflowError):
        return None
    return _table(names, cells, has_more=total > len(cells), total=total)


def _affordable(reader: Any, names: Sequence[str]) -> list[str]:
    """Those of the columns whose first row group unpacks to what may be held."""
    if not reader.num_row_groups:
        return []
    group = reader.metadata.row_group(0)
    sizes: dict[str, int] = {}
    for place in range(group.num_columns):
        column = group.column(place)
        name = column.path_in_schema.split(".")[0]
        size = max(column.total_uncompressed_size, column.total_compressed_size, 0)
        sizes[name] = sizes.get(name, 0) + size
    found, left = [], MAX_TABLE_BYTES
    for name in names:
        size = sizes.get(name, 0)
        if size <= min(MAX_COLUMN_BYTES, left):
            found.append(name)
            left -= size
    return found


def _table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, has_more: bool, total: int | None = None
) -> Table:
    shown = [_short(name) for name in columns[:MAX_COLUMNS]]
    width = len(shown)
    cells = tuple(tuple(_padded([_short(cell) for cell in row[:width]], width)) for row in rows)
    return Table(tuple(shown), cells, has_more, total, max(0, len(columns) - width))


def _padded(cells: list[str], width: int) -> list[str]:
    return cells + [""] * (width - len(cells))


def _short(text: str) -> str:
    return text if len(text) <= MAX_CELL else f"{text[: MAX_CELL - 1]}…"


def _cell(value: Any) -> str:
    """A value as a person reads it; bytes are named, not shown."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, dict | list):
        # Long lists are cut before they become text: a cell shows a few hundred letters only.
        return json.dumps(_trimmed(value), ensure_ascii=False, default=_cell)
    return str(value)


def _trimmed(value: Any, depth: int = 0) -> Any:
    if isinstance(value, bytes):
        return _cell(value)
    if depth > 4:
        return "…"
    if isinstance(value, list):
        return [_trimmed(item, depth + 1) for item in value[:50]]
    if isinstance(value, dict):
        return {str(key): _trimmed(item, depth + 1) for key, item in list(value.items())[:50]}
    return value[:MAX_CELL] if isinstance(value, str) else value
