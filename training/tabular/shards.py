"""The columns of Parquet shards, by their Arrow types."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training.errors import UserError
from training.tables import MAX_ROW_GROUP_BYTES, declared_names, parquet_errors, require_columns
from training.tabular.bounds import refuse_twins, row_limit, too_many
from training.tabular.columns import Column, Table, column_of


def read_shards(files: list[Path], root: Path, wanted: Sequence[str] | None) -> Table:
    import pyarrow.parquet as pq

    starts, kept = [0], None if wanted is None else list(wanted)
    names: dict[str, list[str]] = {}
    pieces: dict[str, list[Any]] = {}
    for file in files:
        label = file.relative_to(root).as_posix()
        with parquet_errors(file, root):
            found = pq.ParquetFile(file)
            schema = found.schema_arrow
            refuse_twins(schema.names, label)
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
    limit = row_limit(columns, name)
    if before + metadata.num_rows > limit:
        raise too_many(name, limit)
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
