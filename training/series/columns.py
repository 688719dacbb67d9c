"""Arrow columns of a table of series to numbers, times and names; refusals name file, row and column."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from training.errors import UserError
from training.splits import check_name, parquet_files, table_file

MAX_TABLE_BYTES = 1024 * 1024 * 1024
MAX_ROWS = 10_000_000
MAX_CELLS = 200_000_000
MAX_NAME = 200
MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "none", "-", "?")
MICROSECONDS = 1_000_000


def split_files(root: Path, name: str) -> list[Path]:
    """The Parquet shards or the one CSV table of split `name`. Raises `UserError` `data:no-split`."""
    check_name(name)
    shards = parquet_files(root, name)
    table = None if shards else table_file(root, name, ("csv",))
    if not shards and table is None:
        raise UserError(
            "data:no-split", f"The data set has no split {name!r}: no {name}.csv, no {name}.parquet."
        )
    return [table] if table else shards


def read_columns(files: list[Path], root: Path, columns: list[str]) -> pa.Table:
    """The named columns of all files, one below the other, with the row numbers of the first file on.

    Raises `UserError` for unreadable files, missing columns and what is beyond the bounds.
    """
    tables = []
    rows = 0
    for file in files:
        name = file.relative_to(root).as_posix()
        try:
            table = (
                _read_csv(file, name, columns)
                if file.suffix == ".csv"
                else _read_parquet(file, name, columns)
            )
        except (pa.ArrowException, OSError, UnicodeDecodeError):
            kind = "CSV table in UTF-8" if file.suffix == ".csv" else "Parquet file"
            raise UserError("data:broken-table", f"{name} is not a readable {kind}.") from None
        rows += table.num_rows
        if rows > MAX_ROWS or rows * len(columns) > MAX_CELLS:
            raise UserError("data:too-large", f"The split has more than {MAX_ROWS:,} rows (at {name}).")
        tables.append(table)
    try:
        return pa.concat_tables(tables).combine_chunks()
    except pa.ArrowException:
        raise UserError("data:broken-table", "The files of the split disagree on a column's type.") from None


def numbers(table: pa.Table, column: str, where: str) -> np.ndarray:
    """float64 [rows]; missing cells become NaN. Text that is no number, and infinities, are refused."""
    cells = table.column(column)
    if pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type):
        trimmed = pc.utf8_trim_whitespace(cells)
        gone = pc.is_in(trimmed, pa.array(MISSING, trimmed.type))
        cells = _cast(pc.if_else(gone, None, trimmed), pa.float64(), trimmed, column, where, "a number")
    elif (
        pa.types.is_boolean(cells.type) or pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type)
    ):
        cells = pc.cast(cells, pa.float64(), safe=False)
    elif pa.types.is_decimal(cells.type):
        cells = pc.cast(cells, pa.float64())
    else:
        text = f"The column {column!r} of {where} holds {cells.type}, where numbers are needed."
        raise UserError("data:not-numbers", text)
    found = np.asarray(pc.fill_null(cells, math.nan).to_numpy(), dtype=np.float64)
    infinite = np.flatnonzero(np.isinf(found))
    if len(infinite):
        text = f"{where}, row {infinite[0] + 1}, column {column!r}: the number is infinite."
        raise UserError("data:not-numbers", text)
    return found


def times(table: pa.Table, column: str, where: str) -> tuple[np.ndarray, bool]:
    """int64 [rows], and whether they are clock times in microseconds since 1970 (else plain step numbers)."""
    cells = table.column(column)
    if pa.types.is_integer(cells.type):
        found, clock = cells, False
    elif pa.types.is_timestamp(cells.type) or pa.types.is_date(cells.type):
        found, clock = pc.cast(pc.cast(cells, pa.timestamp("us"), safe=False), pa.int64()), True
    elif pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type):
        found, clock = _text_times(pc.utf8_trim_whitespace(cells), column, where)
    else:
        text = f"The column {column!r} of {where} holds {cells.type}, where times are needed."
        raise UserError("data:not-times", text)
    if found.null_count:
        row = int(np.flatnonzero(np.asarray(found.is_null()))[0]) + 1
        raise UserError("data:not-times", f"{where}, row {row}: the time column {column!r} is empty.")
    return np.asarray(found.to_numpy(), dtype=np.int64), clock


def names(table: pa.Table, column: str, where: str) -> tuple[np.ndarray, list[str]]:
    """Which series each row belongs to: int64 codes [rows] and the names in order of first appearance."""
    cells = table.column(column)
    if pa.types.is_integer(cells.type):
        cells = pc.cast(cells, pa.string())
    if not (pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type)):
        text = f"The column {column!r} of {where} holds {cells.type}, where names of series are needed."
        raise UserError("data:bad-series", text)
    if cells.null_count:
        row = int(np.flatnonzero(np.asarray(cells.is_null()))[0]) + 1
        raise UserError("data:bad-series", f"{where}, row {row}: the series column {column!r} is empty.")
    encoded = pc.dictionary_encode(cells).combine_chunks()
    known = [str(name)[:MAX_NAME] for name in encoded.dictionary.to_pylist()]
    return np.asarray(encoded.indices.to_numpy(zero_copy_only=False), dtype=np.int64), known


def show_time(value: int, clock: bool) -> str:
    """A time for people."""
    if not clock:
        return f"step {value}"
    text = str(np.datetime64(value, "us").astype("datetime64[s]")).replace("T", " ")
    return text.removesuffix(":00")


def _text_times(cells: Any, column: str, where: str) -> tuple[Any, bool]:
    if pc.all(pc.match_substring_regex(cells, r"^-?\d{1,15}$")).as_py() and len(cells):
        # Years alone are ISO 8601 too, but as step numbers they make the regular grid that years are.
        return pc.cast(cells, pa.int64()), False
    zoned = pc.any(pc.match_substring_regex(cells, r"(Z|[+-]\d\d:?\d\d)$")).as_py()
    kind = pa.timestamp("us", "UTC") if zoned else pa.timestamp("us")
    need = "a time such as 2024-05-01 13:00" + (" with its zone" if zoned else "")
    return pc.cast(_cast(cells, kind, cells, column, where, need), pa.int64()), True


def _cast(cells: Any, kind: pa.DataType, shown: Any, column: str, where: str, need: str) -> Any:
    """Arrow's cast; on failure the first bad row is found by halving and named."""
    try:
        return pc.cast(cells, kind)
    except pa.ArrowException:
        low, high = 0, len(cells)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            pc.cast(cells.slice(low, middle - low), kind)
            low = middle
        except pa.ArrowException:
            high = middle
    value = str(shown[low].as_py())[:40]
    text = f"{where}, row {low + 1}, column {column!r}: {value!r} is not {need}."
    raise UserError("data:not-times" if pa.types.is_timestamp(kind) else "data:not-numbers", text)


def _read_csv(file: Path, name: str, columns: list[str]) -> pa.Table:
    if file.stat().st_size > MAX_TABLE_BYTES:
        raise UserError("data:too-large", f"The table {name} is larger than 1 GiB.")
    # Everything as text: by its own guess, one typing mistake would turn a whole column into text.
    with arrow_csv.open_csv(file) as reader:
        have = reader.schema.names
    _require(have, columns, name)
    kinds = {column: pa.string() for column in columns}
    convert = arrow_csv.ConvertOptions(
        include_columns=columns, column_types=kinds, strings_can_be_null=False, check_utf8=True
    )
    return arrow_csv.read_csv(file, convert_options=convert)


def _read_parquet(file: Path, name: str, columns: list[str]) -> pa.Table:
    table = pq.ParquetFile(file)
    _require(table.schema_arrow.names, columns, name)
    if table.metadata.num_rows > MAX_ROWS:
        raise UserError("data:too-large", f"The table {name} has more than {MAX_ROWS:,} rows.")
    return table.read(columns=columns).select(columns)


def _require(have: list[str], columns: list[str], name: str) -> None:
    for column in columns:
        if column not in have:
            shown = ", ".join(sorted(have)[:20])
            text = f"{name} has no column {column!r}; its columns are: {shown}."
            raise UserError("data:missing-column", text)
        if have.count(column) > 1:
            raise UserError("data:broken-table", f"{name} has two columns named {column!r}.")
