"""The shard format: which chunks of which xorbs make up each file; parsed bounded, trusted in nothing.

All records are 48 bytes. This module checks structure only; whether the hashes are true is for the caller who
holds the chunks (`actions/xet.py`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from models_app.storage.errors import StorageError
from models_app.storage.xet.hashing import HASH_BYTES, hash_to_text
from models_app.storage.xet.xorb import MAX_CHUNKS

MAX_SHARD_BYTES = 64 * 1024**2

_RECORD_BYTES = 48
TAG = b"HFRepoMetaData\0" + bytes.fromhex("556967456a7b815783a5bdd95ccdd14aa9")
VERSION = 2
BOOKEND = b"\xff" * HASH_BYTES
_HAS_VERIFICATION, _HAS_METADATA = 1 << 31, 1 << 30

HEADER = struct.Struct("<32sQQ")
_SECTION = struct.Struct("<32sII8x")
_TERM = struct.Struct("<32sIIII")


class ShardError(StorageError):
    """The bytes are not a valid shard; the message is one sentence for the client."""


@dataclass(frozen=True, slots=True)
class ShardTerm:
    """Chunks `chunk_start` to `chunk_end` (exclusive) of a xorb, `length` content bytes, with their proof."""

    xorb: bytes
    length: int
    chunk_start: int
    chunk_end: int
    verification: bytes


@dataclass(frozen=True, slots=True)
class ShardFile:
    """A file as the client describes it: its Xet hash, its SHA-256 in the usual hex, its terms in order.

    Uploads to buckets leave the SHA-256 out: it is empty then.
    """

    file_hash: bytes
    sha256: str
    terms: tuple[ShardTerm, ...]

    @property
    def size(self) -> int:
        """Content bytes."""
        return sum(term.length for term in self.terms)


class _Records:
    """A cursor over the 48-byte records, which refuses to run past the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self) -> bytes:
        record = self._data[self._at : self._at + _RECORD_BYTES]
        if len(record) < _RECORD_BYTES:
            raise ShardError(f"The shard ends in the middle of a record, at byte {self._at}.")
        self._at += _RECORD_BYTES
        return record

    def left(self) -> int:
        return (len(self._data) - self._at) // _RECORD_BYTES


def parse_shard(data: bytes, *, named: bool = True) -> list[ShardFile]:
    """The files of a shard as uploaded (header, file section, xorb section; a footer is passed over).

    Raises ShardError on a wrong tag or version, a cut or endless section, a term without chunks, a file
    without verification entries or, where `named` files are wanted, without its SHA-256.
    """
    records = _Records(data)
    tag, version, _footer = HEADER.unpack(records.take())
    if tag != TAG or version != VERSION:
        raise ShardError("The body is not a shard of version 2.")
    files = list(_files(records))
    nameless = next((file for file in files if named and not file.sha256), None)
    if nameless is not None:
        raise ShardError(f"File {hash_to_text(nameless.file_hash)} comes without its SHA-256.")
    _skip_xorb_section(records)
    return files


def _files(records: _Records) -> Iterator[ShardFile]:
    while (record := records.take())[:HASH_BYTES] != BOOKEND:
        file_hash, flags, count = _SECTION.unpack(record)
        name = hash_to_text(file_hash)
        if not flags & _HAS_VERIFICATION:
            raise ShardError(f"File {name} comes without verification entries: no proof that you hold it.")
        if 2 * count + 1 > records.left():
            raise ShardError(f"File {name} announces {count} terms, more than the shard holds.")
        terms = [records.take() for _ in range(count)]
        proofs = [records.take()[:HASH_BYTES] for _ in range(count)]
        sha256 = hash_to_text(records.take()[:HASH_BYTES]) if flags & _HAS_METADATA else ""
        yield ShardFile(file_hash, sha256, tuple(_term(*pair) for pair in zip(terms, proofs, strict=True)))


def _term(record: bytes, verification: bytes) -> ShardTerm:
    xorb, _flags, length, start, end = _TERM.unpack(record)
    if not 0 <= start < end <= MAX_CHUNKS:
        raise ShardError(f"A term names chunks {start} to {end} of xorb {hash_to_text(xorb)}, out of bounds.")
    return ShardTerm(xorb, length, start, end, verification)


def _skip_xorb_section(records: _Records) -> None:
    """The client's tables of the xorbs; ours were computed from the bytes, so only the structure counts."""
    while (record := records.take())[:HASH_BYTES] != BOOKEND:
        _hash, _flags, count = _SECTION.unpack(record)
        if count > min(MAX_CHUNKS, records.left()):
            raise ShardError(f"A xorb in the shard announces {count} chunks, more than the shard holds.")
        for _ in range(count):
            records.take()
