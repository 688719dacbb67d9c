"""The content-defined cut of a stream into chunks, byte-identical to the client's, vectorised.

GearHash over a window of 64 bytes: h = (h << 1) + GEAR[byte] modulo 2**64, so the hash at byte i is the sum
of GEAR[b[i - k]] << k for k in 0..63, which doubling computes for a whole array in six steps. A chunk ends
after the first byte at which the top 16 bits are zero and the chunk has at least 8 KiB; at 128 KiB at last.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from models_app.storage.xet.gear import GEAR
from models_app.storage.xet.xorb import MAX_CHUNK_BYTES

MIN_CHUNK_BYTES = 8 * 1024

_WINDOW = 64
_BOUNDARY_SHIFT = np.uint64(48)
# A block whose 8-byte hashes stay in the processor's second-level cache.
_BLOCK = 32 * 1024
_SLAB_BYTES = 1024**2


class Chunker:
    """Feed pieces of any size, get the chunks that are certain; `finish` gives the last one."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._scanned = 0
        self._cuts: list[int] = []

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The chunks that end within the bytes so far."""
        self._pending += piece
        if len(self._pending) - self._scanned >= _SLAB_BYTES:
            yield from self._cut(is_last=False)

    def finish(self) -> Iterator[bytes]:
        """The chunks that remain, the last as short as it comes; the chunker is then empty."""
        yield from self._cut(is_last=True)

    def _cut(self, is_last: bool) -> Iterator[bytes]:
        data = bytes(self._pending)
        warm = max(self._scanned - _WINDOW + 1, 0)
        candidates = boundaries(data[warm:])
        cuts = self._cuts + [cut + warm for cut in candidates if cut + warm > self._scanned]
        start = 0
        for stop in _choose(cuts, len(data), is_last):
            yield data[start:stop]
            start = stop
        self._pending = bytearray(data[start:])
        self._scanned = len(self._pending)
        self._cuts = [cut - start for cut in cuts if cut > start]


def boundaries(data: bytes) -> list[int]:
    """The positions after which the hash asks for a cut, whatever the length; the first 63 are not warm."""
    found = []
    codes = np.frombuffer(data, np.uint8)
    for start in range(0, len(codes), _BLOCK):
        warm = max(start - _WINDOW + 1, 0)
        hashes = _gear_hashes(codes[warm : start + _BLOCK])[start - warm :]
        # The top 16 bits are zero exactly where the whole word is below 2**48.
        found.append(np.flatnonzero((hashes >> _BOUNDARY_SHIFT) == 0) + (start + 1))
    return np.concatenate(found).tolist() if found else []


def _gear_hashes(codes: np.ndarray) -> np.ndarray:
    """uint64 [n]: the hash at each byte, of the 64 bytes up to it (fewer at the front)."""
    hashes = GEAR[codes]
    width = 1
    while width < _WINDOW:
        # The window of 2w bytes is the newer w, plus the older w moved up by w bits.
        older = hashes[:-width] << np.uint64(width)
        hashes[width:] += older
        width *= 2
    return hashes


def _choose(cuts: list[int], length: int, is_last: bool) -> Iterator[int]:
    """The ends of the chunks among the asked-for cuts, by the rules of length."""
    start = 0
    for cut in cuts:
        while cut - start > MAX_CHUNK_BYTES:
            start += MAX_CHUNK_BYTES
            yield start
        if cut - start >= MIN_CHUNK_BYTES:
            start = cut
            yield start
    while length - start >= MAX_CHUNK_BYTES:
        start += MAX_CHUNK_BYTES
        yield start
    if is_last and start < length:
        yield length
