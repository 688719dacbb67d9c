"""The shard that answers a look-up of a chunk: chunk tables of xorbs, with tables to search them by.

Chunk hashes are keyed (BLAKE3 with the key in the footer), so that the shard is of use only to somebody who
holds the chunks: unkeyed, the hashes of a xorb are what proves possession of it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from blake3 import blake3

from models_app.storage.xet.shard import BOOKEND, HEADER, TAG, VERSION

_FOOTER_VERSION = 1
_RECORD = struct.Struct("<32sIIII")
_XORB_PLACE = struct.Struct("<QI")
_CHUNK_PLACE = struct.Struct("<QII")
# Version, nine places and counts of sections, key, two times, padding, three sums of bytes, the footer's
# place.
_FOOTER = struct.Struct("<9Q32s2Q48x4Q")
_BOOKEND_RECORD = BOOKEND + bytes(16)


@dataclass(frozen=True, slots=True)
class LookupXorb:
    """A xorb's hash and its chunk table: for each chunk the keyed hash and the content length."""

    hash: bytes
    chunks: Sequence[tuple[bytes, int]]


def keyed(raw: bytes, key: bytes) -> bytes:
    """The form in which a chunk's hash appears in a look-up shard with this 32-byte key."""
    return blake3(raw, key=key).digest()


def lookup_shard(xorbs: Sequence[LookupXorb], *, key: bytes, made_at: int, expires_at: int) -> bytes:
    """The bytes of the shard; times are in seconds since the epoch, after `expires_at` clients forget it."""
    ordered = sorted(xorbs, key=lambda xorb: _truncated(xorb.hash))
    header = HEADER.pack(TAG, VERSION, _FOOTER.size)
    section, xorb_places, chunk_places = _xorb_section(ordered)
    xorbs_at = len(header) + len(_BOOKEND_RECORD)
    files_table_at = xorbs_at + len(section)
    chunks_table_at = files_table_at + len(xorb_places)
    footer_at = chunks_table_at + len(chunk_places)
    content = sum(length for xorb in ordered for _, length in xorb.chunks)
    footer = _FOOTER.pack(
        _FOOTER_VERSION,
        len(header),
        xorbs_at,
        files_table_at,
        0,
        files_table_at,
        len(ordered),
        chunks_table_at,
        len(chunk_places) // _CHUNK_PLACE.size,
        key,
        made_at,
        expires_at,
        0,
        0,
        content,
        footer_at,
    )
    return b"".join([header, _BOOKEND_RECORD, section, xorb_places, chunk_places, footer])


def _xorb_section(xorbs: Sequence[LookupXorb]) -> tuple[bytes, bytes, bytes]:
    """The records of the xorbs, and where to find each xorb and each chunk among them, sorted by hash."""
    records: list[bytes] = []
    xorb_places: list[bytes] = []
    chunk_places: list[tuple[int, int, int]] = []
    for xorb in xorbs:
        index = len(records)
        xorb_places.append(_XORB_PLACE.pack(_truncated(xorb.hash), index))
        content = sum(length for _, length in xorb.chunks)
        records.append(_RECORD.pack(xorb.hash, 0, len(xorb.chunks), content, 0))
        offset = 0
        for number, (raw, length) in enumerate(xorb.chunks):
            records.append(_RECORD.pack(raw, offset, length, 0, 0))
            chunk_places.append((_truncated(raw), index, number))
            offset += length
    chunk_places.sort()
    places = b"".join(_CHUNK_PLACE.pack(*place) for place in chunk_places)
    return b"".join([*records, _BOOKEND_RECORD]), b"".join(xorb_places), places


def _truncated(raw: bytes) -> int:
    """A hash's first word, by which the tables are searched."""
    return int.from_bytes(raw[:8], "little")
