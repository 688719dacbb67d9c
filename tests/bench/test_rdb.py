"""Tables out of R's lazy-load databases."""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from pathlib import Path

import pytest

from bench.assets.rdb import decompress, read_stream, read_table
from tests.bench import rfiles


def _houses() -> bytes:
    columns = {
        "price": rfiles.integers([100, rfiles.NA_INTEGER, 300]),
        "size": rfiles.reals([1.5, 2.5, float("nan")]),
        "city": rfiles.factor([2, 1, rfiles.NA_INTEGER], ["Ames", "Boone"]),
        "note": rfiles.strings(["", None, "größer"]),
        "row": rfiles.sequence(3, 7, 1),
    }
    return rfiles.frame(columns)


@pytest.mark.parametrize("version", [2, 3])
def test_a_table_keeps_names_types_and_what_is_missing(tmp_path: Path, version: int) -> None:
    other = rfiles.serialised(rfiles.frame({"x": rfiles.reals([9.0])}))
    houses = rfiles.serialised(_houses(), version)
    rfiles.write_database(tmp_path / "Rdata", {"other": other, "houses": houses})
    table = read_table(tmp_path / "Rdata", "houses")
    assert table.to_pydict() == {
        "price": [100, None, 300],
        "size": [1.5, 2.5, None],
        "city": ["Boone", "Ames", None],
        "note": ["", None, "größer"],
        "row": [7, 8, 9],
    }
    assert read_table(tmp_path / "Rdata", "other").to_pydict() == {"x": [9.0]}


def test_a_symbol_is_named_once_and_then_by_number() -> None:
    again = struct.pack(">i", 255 | 1 << 8)
    tail = struct.pack(">i", 2 | rfiles.HAS_TAG) + again + rfiles.strings(["twice"]) + rfiles.NULL
    head = struct.pack(">i", 2 | rfiles.HAS_TAG) + rfiles.symbol("names") + rfiles.strings(["once"]) + tail
    assert [tag for tag, _ in read_stream(rfiles.serialised(head)).values] == ["names", "names"]


def test_every_way_of_compression_is_read() -> None:
    plain = b"a stream of R" * 20
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6}]
    size = struct.pack(">I", len(plain))
    assert decompress(size + zlib.compress(plain)) == plain
    assert decompress(size + b"2" + bz2.compress(plain)) == plain
    assert decompress(size + b"Z" + lzma.compress(plain, lzma.FORMAT_RAW, filters=filters)) == plain


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    rfiles.write_database(tmp_path / "Rdata", {"vector": rfiles.serialised(rfiles.reals([1.0]))})
    with pytest.raises(ValueError, match="vector is not a data frame"):
        read_table(tmp_path / "Rdata", "vector")
    with pytest.raises(KeyError, match="absent"):
        read_table(tmp_path / "Rdata", "absent")


def test_a_stream_that_ends_early_or_is_none_is_refused() -> None:
    whole = rfiles.serialised(_houses())
    with pytest.raises(ValueError, match="ends early"):
        read_stream(whole[:-20])
    with pytest.raises(ValueError, match="XDR"):
        read_stream(b"A\n" + whole[2:])
    with pytest.raises(ValueError, match="announced"):
        decompress(struct.pack(">I", 7) + zlib.compress(b"six..."))
