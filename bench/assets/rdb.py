"""Tables of an installed R package, without R: the lazy-load database (`.rdx`, `.rdb`) and R's XDR streams.

Format: R Internals, sections 1.8 "Serialization Formats" and 1.15 "Lazy loading".
"""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

NA_INTEGER = -(2**31)
MAX_CHUNK_BYTES = 256 * 1024 * 1024
# What stands for the empty list, the global environment and so on: none of them carries data.
CONSTANTS = {254: None, 253: "global", 252: "unbound", 251: "missing", 250: "base", 242: "empty", 241: "base"}
PAIRLIKE = (2, 3, 5, 6)


@dataclass
class RObject:
    """A vector of R: `values` is a numpy array or a list; None is NA in strings."""

    values: Any
    attributes: dict[str, Any] = field(default_factory=dict)


def read_table(stem: Path, name: str) -> pa.Table:
    """The data frame `name` of the database `stem`.rdx / `stem`.rdb; KeyError if there is none of this name.

    Factors become strings, NA becomes null. Raises ValueError for anything that is not such a database.
    """
    index = _plain(read_stream(zlib.decompress(stem.with_suffix(".rdx").read_bytes(), wbits=47)))
    offset, length = (int(number) for number in index["variables"][name])
    if not 4 < length <= MAX_CHUNK_BYTES:
        raise ValueError(f"{name} has a length of {length} bytes")
    with stem.with_suffix(".rdb").open("rb") as file:
        file.seek(offset)
        chunk = file.read(length)
    frame = read_stream(decompress(chunk))
    if "names" not in frame.attributes or not isinstance(frame.values, list):
        raise ValueError(f"{name} is not a data frame")
    names = frame.attributes["names"].values
    return pa.table({column: _column(item) for column, item in zip(names, frame.values, strict=True)})


def decompress(chunk: bytes) -> bytes:
    """Length as four big-endian bytes, perhaps a letter for the method, and the compressed stream."""
    size, method = struct.unpack(">I", chunk[:4])[0], chunk[4:5]
    if size > MAX_CHUNK_BYTES:
        raise ValueError("a chunk is larger than 256 MiB")
    if method == b"2":
        plain = bz2.decompress(chunk[5:])
    elif method == b"Z":
        plain = lzma.decompress(chunk[5:], lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "preset": 6}])
    else:
        plain = zlib.decompress(chunk[4:])
    if len(plain) != size:
        raise ValueError(f"a chunk holds {len(plain)} bytes where {size} are announced")
    return plain


def read_stream(data: bytes) -> RObject:
    """One object from R's binary serialisation, version 2 or 3."""
    if data[:2] != b"X\n":
        raise ValueError("not a binary XDR stream of R")
    reader = _Reader(data, 2)
    version = reader.int()
    reader.skip(8)
    if version == 3:
        reader.skip(reader.int())
    found = reader.item()
    return found if isinstance(found, RObject) else RObject(found)


def _column(item: RObject) -> pa.Array:
    values, levels = item.values, item.attributes.get("levels")
    if levels is not None:
        return pa.array([None if code == NA_INTEGER else levels.values[code - 1] for code in values.tolist()])
    if isinstance(values, list):
        return pa.array(values, pa.string())
    if values.dtype == np.float64:
        return pa.array(values, mask=np.isnan(values))
    return pa.array(values, mask=values == NA_INTEGER)


def _plain(item: Any) -> Any:
    """Named lists as dictionaries, all the way down."""
    if not isinstance(item, RObject):
        return item
    names = item.attributes.get("names")
    if names is None:
        return item.values
    return dict(zip(names.values, (_plain(value) for value in item.values), strict=True))


class _Reader:
    def __init__(self, data: bytes, position: int) -> None:
        self.data, self.position = data, position
        self.references: list[Any] = []

    def skip(self, count: int) -> bytes:
        if count < 0 or self.position + count > len(self.data):
            raise ValueError("the stream ends early")
        self.position += count
        return self.data[self.position - count : self.position]

    def int(self) -> int:
        return int.from_bytes(self.skip(4), "big", signed=True)

    def numbers(self, kind: str) -> np.ndarray:
        dtype = np.dtype(kind)
        raw = self.skip(self.int() * dtype.itemsize)
        return np.frombuffer(raw, dtype).astype(dtype.newbyteorder("="))

    def item(self) -> Any:
        flags = self.int()
        kind, has_attributes, has_tag = flags & 0xFF, bool(flags & 0x200), bool(flags & 0x400)
        if kind in CONSTANTS:
            return CONSTANTS[kind]
        if kind == 255:
            return self.references[(flags >> 8 or self.int()) - 1]
        if kind in PAIRLIKE:
            return self._pairs(has_attributes, has_tag)
        if kind == 9:
            length = self.int()
            return None if length < 0 else self.skip(length).decode("utf-8", "replace")
        if kind == 1:
            self.references.append(self.item())
            return self.references[-1]
        if kind == 238:
            return self._alternative()
        found = RObject(self._values(kind))
        if has_attributes:
            found.attributes = dict(self.item() or [])
        return found

    def _values(self, kind: int) -> Any:
        if kind in (10, 13):
            return self.numbers(">i4")
        if kind == 14:
            return self.numbers(">f8")
        if kind in (16, 19, 20):
            return [self.item() for _ in range(self.int())]
        if kind == 24:
            return self.skip(self.int())
        raise ValueError(f"objects of type {kind} are not data")

    def _pairs(self, has_attributes: bool, has_tag: bool) -> list[tuple[Any, Any]]:
        """A pairlist as (tag, value) pairs, read without recursion along its length."""
        found = []
        while True:
            if has_attributes:
                self.item()
            tag = self.item() if has_tag else None
            found.append((tag, self.item()))
            flags = self.int()
            if flags & 0xFF not in PAIRLIKE:
                self.position -= 4
                rest = self.item()
                # A dotted pair ends in a value instead of the empty list.
                return found if rest is None else [*found, (None, rest)]
            has_attributes, has_tag = bool(flags & 0x200), bool(flags & 0x400)

    def _alternative(self) -> RObject:
        """Compact forms: a sequence as (length, first, step), a wrapped vector, strings made of numbers."""
        info, state, attributes = self.item(), self.item(), self.item()
        name = info[0][1]
        if name in ("compact_intseq", "compact_realseq"):
            count, first, step = state.values.tolist()
            kind = np.int32 if name == "compact_intseq" else np.float64
            return RObject((first + step * np.arange(int(count))).astype(kind), dict(attributes or []))
        if name.startswith("wrap_"):
            inner = state.values[0] if isinstance(state, RObject) else state[0][1]
            return RObject(inner.values, {**inner.attributes, **dict(attributes or [])})
        if name == "deferred_string":
            numbers = state[0][1].values
            text = [None if number == NA_INTEGER else format(number, ".15g") for number in numbers.tolist()]
            return RObject(text, dict(attributes or []))
        raise ValueError(f"the compact form {name} is not known")
