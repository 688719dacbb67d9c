"""R's lazy-load databases, written small: what the reader of Debian's R packages is tried on."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NA_INTEGER = -(2**31)
HAS_ATTRIBUTES, HAS_TAG = 0x200, 0x400
NULL = struct.pack(">i", 254)


def write_database(stem: Path, frames: Mapping[str, bytes]) -> None:
    """`stem`.rdx and .rdb with the serialised objects in `frames`."""
    data, places = b"", {}
    for name, stream in frames.items():
        chunk = struct.pack(">I", len(stream)) + zlib.compress(stream)
        places[name] = integers([len(data), len(chunk)])
        data += chunk
    stem.with_suffix(".rdb").write_bytes(data)
    index = named_list({"variables": named_list(places), "references": named_list({})})
    stem.with_suffix(".rdx").write_bytes(zlib.compress(serialised(index)))


def serialised(item: bytes, version: int = 3) -> bytes:
    native = struct.pack(">i", 5) + b"UTF-8" if version == 3 else b""
    return b"X\n" + struct.pack(">3i", version, 0x40300, 0x30500) + native + item


def integers(values: list[int], attributes: bytes = b"") -> bytes:
    return _vector(13, struct.pack(f">{len(values)}i", *values), len(values), attributes)


def reals(values: list[float]) -> bytes:
    return _vector(14, struct.pack(f">{len(values)}d", *values), len(values))


def strings(values: list[str | None]) -> bytes:
    return _vector(16, b"".join(map(_chars, values)), len(values))


def factor(codes: list[int], levels: list[str]) -> bytes:
    return integers(codes, pairs({"levels": strings(list(levels)), "class": strings(["factor"])}))


def named_list(items: Mapping[str, bytes], **attributes: bytes) -> bytes:
    tail = pairs({"names": strings(list(items)), **attributes})
    return _vector(19, b"".join(items.values()), len(items), tail)


def frame(columns: Mapping[str, bytes]) -> bytes:
    return named_list(columns, **{"class": strings(["data.frame"]), "row.names": integers([NA_INTEGER, -1])})


def sequence(count: int, first: int, step: int) -> bytes:
    """R's compact form of a range of integers."""
    info = struct.pack(">i", 2) + symbol("compact_intseq") + NULL
    return struct.pack(">i", 238) + info + reals([count, first, step]) + NULL


def pairs(items: Mapping[str, bytes]) -> bytes:
    flags = struct.pack(">i", 2 | HAS_TAG)
    return b"".join(flags + symbol(name) + value for name, value in items.items()) + NULL


def symbol(name: str) -> bytes:
    return struct.pack(">i", 1) + _chars(name)


def _chars(text: str | None) -> bytes:
    raw = None if text is None else text.encode()
    return struct.pack(">ii", 9, -1) if raw is None else struct.pack(">ii", 9, len(raw)) + raw


def _vector(kind: int, content: Any, length: int, attributes: bytes = b"") -> bytes:
    flags = kind | (HAS_ATTRIBUTES if attributes else 0)
    return struct.pack(">ii", flags, length) + content + attributes
