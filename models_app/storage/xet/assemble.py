"""A file from its terms: any byte range as a stream of pieces, without holding the file or a whole term."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from models_app.storage.xet.store import XorbStore
from models_app.storage.xet.xorb import HEADER_BYTES, ChunkHeader, XorbError, decode_chunk, parse_header

# From a position and a number of bytes to these bytes.
_Read = Callable[[int, int], bytes]

PIECE_BYTES = 1024**2
_SLAB_BYTES = 1024**2
_READER_BUFFER_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Term:
    """Bytes `byte_start` to `byte_stop` of a container are whole chunks; their content is the file's bytes
    `file_offset` to `file_offset + length`."""

    container: str
    byte_start: int
    byte_stop: int
    file_offset: int
    length: int


def assemble(
    store: XorbStore, terms: Iterable[Term], start: int, stop: int, *, once: bool = False
) -> Iterator[bytes]:
    """Content bytes `start` to `stop` (exclusive) in pieces of at most PIECE_BYTES; `once` as in
    `XorbStore.reading`.

    `terms` are in file order and may be lazy. Raises FileNotFoundError when a container is gone and XorbError
    when its bytes are damaged or the terms do not reach `stop`.
    """
    held: list[bytes | memoryview] = []
    held_bytes = 0
    for content in contents(store, terms, start, stop, once=once):
        if held_bytes + len(content) > PIECE_BYTES:
            yield b"".join(held)
            held, held_bytes = [], 0
        held.append(content)
        held_bytes += len(content)
    if held:
        yield b"".join(held)


def contents(
    store: XorbStore, terms: Iterable[Term], start: int, stop: int, *, once: bool = False
) -> Iterator[bytes | memoryview]:
    """The same bytes and faults as `assemble` has, chunk by chunk as they are stored."""
    reached = start
    for term in terms:
        if term.file_offset >= stop:
            break
        first = max(start - term.file_offset, 0)
        last = min(stop - term.file_offset, term.length)
        if first < last:
            # Many short reads are quicker from a cache that reads ahead.
            is_long = term.byte_stop - term.byte_start >= _SLAB_BYTES
            with store.reading(term.container, once=once and is_long, stop=term.byte_stop) as read:
                for content in _term_contents(read, term, first, last):
                    reached += len(content)
                    yield content
    if reached != max(start, stop):
        raise XorbError(f"The stored file ends at byte {reached}, before byte {stop}.")


def _term_contents(read: _Read, term: Term, first: int, last: int) -> Iterator[bytes | memoryview]:
    """Content bytes `first` to `last` of one term, cut at chunk borders."""
    byte_start, at = _skip_to(read, term, first)
    for header, payload in _chunks(read, byte_start, term.byte_stop):
        if at >= last:
            return
        content = decode_chunk(header, payload)
        if at < first or at + header.length > last:
            content = memoryview(content)[max(first - at, 0) : last - at]
        yield content
        at += header.length


def _skip_to(read: _Read, term: Term, first: int) -> tuple[int, int]:
    """Byte and content offset of the chunk that holds content byte `first`, reading headers only."""
    byte_at, content_at = term.byte_start, 0
    while first > content_at and byte_at < term.byte_stop:
        header = _header(read(byte_at, HEADER_BYTES))
        if content_at + header.length > first:
            break
        byte_at += HEADER_BYTES + header.stored
        content_at += header.length
    return byte_at, content_at


def _chunks(read: _Read, start: int, stop: int) -> Iterator[tuple[ChunkHeader, memoryview]]:
    """Header and payload of every chunk in the byte range, from reads of about a slab."""
    slab, at = memoryview(b""), 0
    while start < stop:
        if not _has_chunk(slab, at):
            # A chunk cut off by the slab's end is read once more: that is less than copying every slab.
            slab, at = _slab(read, start, stop), 0
        header = parse_header(slab[at : at + HEADER_BYTES])
        end = at + HEADER_BYTES + header.stored
        yield header, slab[at + HEADER_BYTES : end]
        start += end - at
        at = end


def _slab(read: _Read, start: int, stop: int) -> memoryview:
    """The bytes from `start`, with at least one whole chunk; XorbError where the file or term ends in one."""
    slab = memoryview(read(start, min(_SLAB_BYTES, stop - start)))
    if not slab:
        raise XorbError(f"The stored xorb ends at byte {start}, before byte {stop}.")
    if not _has_chunk(slab, 0):
        raise XorbError("A stored term ends in the middle of a chunk.")
    return slab


def _has_chunk(slab: memoryview, at: int) -> bool:
    left = len(slab) - at
    return left >= HEADER_BYTES and left >= HEADER_BYTES + int.from_bytes(slab[at + 1 : at + 4], "little")


def _header(data: bytes) -> ChunkHeader:
    if len(data) < HEADER_BYTES:
        raise XorbError("The stored xorb ends in the middle of a chunk header.")
    return parse_header(data)


class AssembledFile(io.RawIOBase):
    """A file by its terms, readable and seekable, for readers of headers (safetensors, parquet)."""

    def __init__(self, store: XorbStore, terms: Sequence[Term], size: int) -> None:
        super().__init__()
        self._store = store
        self._terms = terms
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a content byte; the places past the end read as empty, before the start are refused."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if origin + offset < 0:
            raise ValueError(f"cannot seek to byte {origin + offset}")
        self._at = origin + offset
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill as much of `buffer` as the content allows; returns the bytes read."""
        target = memoryview(buffer).cast("B")
        stop = min(self._at + len(target), self._size)
        filled = 0
        for piece in assemble(self._store, self._terms, self._at, stop) if stop > self._at else ():
            target[filled : filled + len(piece)] = piece
            filled += len(piece)
        self._at += filled
        return filled


def open_assembled(store: XorbStore, terms: Sequence[Term], size: int) -> io.BufferedReader:
    """`AssembledFile` behind a buffer of a few chunks, so that small reads do not decode a chunk each."""
    return io.BufferedReader(AssembledFile(store, terms, size), _READER_BUFFER_BYTES)
