"""The xorb format: a run of chunks, each an 8-byte header and its (compressed) bytes; read bounded, written.

Header: version u8 = 0, stored length u24 LE, scheme u8, content length u24 LE (Xet protocol, "xorb format").
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import lz4.frame
import numpy as np

from models_app.storage.errors import StorageError
from models_app.storage.xet.hashing import HASH_BYTES, Node, chunk_hash, xorb_hash

HEADER_BYTES = 8
MAX_CHUNKS = 8192
MAX_CHUNK_BYTES = 128 * 1024
MAX_CONTENT_BYTES = 64 * 1024**2
# The client's 64 MiB limit counts content; headers and an old client's footer come on top of it.
MAX_BODY_BYTES = MAX_CONTENT_BYTES + 1024**2

PLAIN, LZ4, GROUPED_LZ4 = 0, 1, 2
# LZ4 may grow what it cannot shrink, by one byte in 255 and its frame.
_MAX_STORED_BYTES = MAX_CHUNK_BYTES + MAX_CHUNK_BYTES // 255 + 64
_FOOTER_TAG = b"XETBLOB"
_TABLE_ENTRY = struct.Struct(f"<{HASH_BYTES}sI")


class XorbError(StorageError):
    """The bytes are not a valid xorb; the message is one sentence for the client."""


class ChunkHeader(NamedTuple):
    """`stored` bytes follow the header; decoded by `scheme` they are `length` bytes."""

    stored: int
    scheme: int
    length: int


class StoredChunk(NamedTuple):
    """A checked chunk: its header begins at `offset`, header and payload are `stored` bytes together."""

    hash: bytes
    offset: int
    stored: int
    length: int


def parse_header(data: bytes | memoryview) -> ChunkHeader:
    """The header in the first eight bytes; raises XorbError when any field is out of bounds."""
    version, scheme = data[0], data[4]
    stored = int.from_bytes(data[1:4], "little")
    length = int.from_bytes(data[5:8], "little")
    if version != 0:
        raise XorbError(f"Chunk header has version {version}; this hub reads version 0.")
    if scheme not in (PLAIN, LZ4, GROUPED_LZ4):
        raise XorbError(f"Chunk header names compression scheme {scheme}; this hub reads 0, 1 and 2.")
    if not 0 < length <= MAX_CHUNK_BYTES or not 0 < stored <= _MAX_STORED_BYTES:
        raise XorbError(f"Chunk header announces {stored} stored and {length} content bytes, out of bounds.")
    return ChunkHeader(stored, scheme, length)


def decode_chunk(header: ChunkHeader, payload: bytes | memoryview) -> bytes | memoryview:
    """The chunk's content, exactly `header.length` bytes; never allocates beyond that length."""
    if header.scheme == PLAIN:
        content: bytes | memoryview = payload
    else:
        content = _unframe(payload, header.length)
    if len(content) != header.length:
        raise XorbError(f"A chunk announced as {header.length} bytes holds {len(content)}.")
    return _ungroup(content) if header.scheme == GROUPED_LZ4 else content


def encode_chunk(content: bytes) -> bytes:
    """Header and payload, in whichever of the three schemes is shortest."""
    candidates = (
        (len(content), PLAIN, content),
        _framed(LZ4, content),
        _framed(GROUPED_LZ4, _group(content)),
    )
    stored, scheme, payload = min(candidates, key=lambda candidate: candidate[:2])
    header = b"\0" + stored.to_bytes(3, "little") + bytes([scheme]) + len(content).to_bytes(3, "little")
    return header + payload


class XorbReader:
    """Takes a xorb body in pieces of any size and checks each chunk as soon as it is whole.

    After `finish` the `chunks` are the table of the body, and its first `content_end` bytes hold all of them.
    `hear` is called with each chunk's content, in order, before anybody knows whether the body is right.
    """

    def __init__(self, hear: Callable[[bytes | memoryview], None] | None = None) -> None:
        self._hear = hear
        self.chunks: list[StoredChunk] = []
        self.content_end = 0
        self._tail = bytearray()
        self._in_footer = False

    def feed(self, piece: bytes | memoryview) -> None:
        """Check every chunk that ends within the bytes so far; raises XorbError."""
        rest = memoryview(piece)
        if self._tail:
            # Only the chunk that was cut is put together: copying every piece costs more than hashing it.
            begun = len(self._tail)
            self._tail += rest[: HEADER_BYTES + _MAX_STORED_BYTES]
            used = self._take(memoryview(self._tail))
            if used < begun:  # the piece was short, and the chunk is still not whole
                return
            self._tail.clear()
            rest = rest[used - begun :]
        self._tail += rest[self._take(rest) :]

    def _take(self, data: memoryview) -> int:
        """Check the whole chunks that `data` begins with; how many bytes that were."""
        at = 0
        while not self._in_footer and len(data) - at >= HEADER_BYTES:
            # Old clients send the table again as a footer; ours is computed, so it is passed over.
            if data[at : at + len(_FOOTER_TAG)] == _FOOTER_TAG:
                self._in_footer = True
                break
            header = parse_header(data[at : at + HEADER_BYTES])
            end = at + HEADER_BYTES + header.stored
            if end > len(data):
                break
            self._accept(header, data[at + HEADER_BYTES : end])
            at = end
        return len(data) if self._in_footer else at

    def finish(self, expected: bytes) -> None:
        """Close the body; raises XorbError unless it is whole and its Merkle root is `expected`."""
        if self._tail:
            raise XorbError(f"The xorb ends in the middle of a chunk, after {len(self.chunks)} whole ones.")
        if not self.chunks:
            raise XorbError("The xorb holds no chunks.")
        if xorb_hash([(chunk.hash, chunk.length) for chunk in self.chunks]) != expected:
            raise XorbError("The xorb's chunks do not add up to the hash it was sent under.")

    def _accept(self, header: ChunkHeader, payload: memoryview) -> None:
        if len(self.chunks) == MAX_CHUNKS:
            raise XorbError(f"The xorb holds more than {MAX_CHUNKS} chunks.")
        content = decode_chunk(header, payload)
        if self._hear is not None:
            self._hear(content)
        stored = HEADER_BYTES + header.stored
        self.chunks.append(StoredChunk(chunk_hash(content), self.content_end, stored, header.length))
        self.content_end += stored


def pack_table(chunks: Iterable[Node]) -> bytes:
    """(hash, content length) pairs as 36 bytes each: the logical table of a xorb."""
    return b"".join(_TABLE_ENTRY.pack(raw, length) for raw, length in chunks)


def unpack_table(data: bytes | memoryview) -> Sequence[Node]:
    """What `pack_table` packed."""
    return list(_TABLE_ENTRY.iter_unpack(data))


def _unframe(payload: bytes | memoryview, length: int) -> bytes:
    decoder = lz4.frame.LZ4FrameDecompressor()
    try:
        # One byte more than announced, so that a longer content is seen but never unpacked.
        content: bytes = decoder.decompress(payload, max_length=length + 1)
    except RuntimeError as error:
        raise XorbError("A chunk's LZ4 frame cannot be read.") from error
    if not decoder.eof or decoder.unused_data:
        raise XorbError("A chunk's LZ4 frame is cut short or followed by other bytes.")
    return content


def _framed(scheme: int, content: bytes) -> tuple[int, int, bytes]:
    payload = lz4.frame.compress(content, store_size=False)
    return len(payload), scheme, payload


def _group(content: bytes) -> bytes:
    return content[0::4] + content[1::4] + content[2::4] + content[3::4]


def _ungroup(grouped: bytes | memoryview) -> bytes | memoryview:
    """Undo the grouping of every fourth byte; the first groups are one longer when four does not divide."""
    quarter, rest = divmod(len(grouped), 4)
    if rest == 0:
        planes = np.frombuffer(grouped, np.uint8).reshape(4, quarter)
        words = planes[3].astype("<u4")
        for plane in (2, 1, 0):
            words <<= 8
            words |= planes[plane]
        return words.view(np.uint8).data
    content = bytearray(len(grouped))
    start = 0
    for lane in range(4):
        stop = start + quarter + (lane < rest)
        content[lane::4] = grouped[start:stop]
        start = stop
    return memoryview(content)
