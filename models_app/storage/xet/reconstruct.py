"""How a client may put a byte range of a file together: terms in file order, and the byte ranges to fetch.

Everything is in the coordinates of the stored containers: chunk indexes count the chunks of the physical
file, byte ranges are its bytes. A range fetched holds chunks of this file only, whatever else the container
holds.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

from models_app.storage.xet.assemble import Term
from models_app.storage.xet.store import XorbStore
from models_app.storage.xet.xorb import HEADER_BYTES, XorbError, parse_header


@dataclass(frozen=True, slots=True)
class PlacedTerm:
    """Chunks `chunk_start` to `chunk_end` of a container, which are its bytes `byte_start` to `byte_stop`;
    their content is the file's bytes `file_offset` to `file_offset + length`. Ends are exclusive."""

    container: str
    chunk_start: int
    chunk_end: int
    byte_start: int
    byte_stop: int
    file_offset: int
    length: int

    def located(self) -> Term:
        """The same without chunk indexes, which assembling does not need."""
        return Term(self.container, self.byte_start, self.byte_stop, self.file_offset, self.length)


@dataclass(frozen=True, slots=True)
class FetchRange:
    """A run of whole chunks of one container and its bytes; ends are exclusive."""

    chunk_start: int
    chunk_end: int
    byte_start: int
    byte_stop: int


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """The wanted bytes are the content of `terms`, less the first `skip` bytes and what is past the end."""

    skip: int
    terms: list[PlacedTerm]
    fetches: dict[str, list[FetchRange]]


def reconstruct(store: XorbStore, terms: Sequence[PlacedTerm], start: int, stop: int) -> Reconstruction:
    """The plan for file bytes `start` to `stop` (exclusive), from the terms that overlap them, in order.

    The outer terms are cut down to the chunks needed. Raises FileNotFoundError when the container of one of
    them is gone, XorbError when it is damaged or the terms do not reach from `start` to `stop`.
    """
    if start >= stop:
        return Reconstruction(0, [], {})
    cut = [_cut_down(store, term, start, stop) for term in terms]
    if not cut or cut[0].file_offset > start or cut[-1].file_offset + cut[-1].length < stop:
        raise XorbError(f"The stored file does not hold all of the bytes {start} to {stop}.")
    return Reconstruction(start - cut[0].file_offset, cut, _fetches(cut))


def _cut_down(store: XorbStore, term: PlacedTerm, start: int, stop: int) -> PlacedTerm:
    first = max(start - term.file_offset, 0)
    last = min(stop - term.file_offset, term.length)
    if first == 0 and last == term.length:
        return term
    with store.open(term.container) as container:
        return _chunks_of(container, term, first, last)


def _chunks_of(container: BinaryIO, term: PlacedTerm, first: int, last: int) -> PlacedTerm:
    """The part of the term whose chunks hold its content bytes `first` to `last`, found by the headers."""
    index, byte_at, content_at = term.chunk_start, term.byte_start, 0
    begin = (index, byte_at, content_at)
    while content_at < last:
        if content_at <= first:
            begin = (index, byte_at, content_at)
        header = _header(container, byte_at, term)
        index += 1
        byte_at += HEADER_BYTES + header[0]
        content_at += header[1]
    chunk_start, byte_start, skipped = begin
    return replace(
        term,
        chunk_start=chunk_start,
        chunk_end=index,
        byte_start=byte_start,
        byte_stop=byte_at,
        file_offset=term.file_offset + skipped,
        length=content_at - skipped,
    )


def _header(container: BinaryIO, at: int, term: PlacedTerm) -> tuple[int, int]:
    """Stored and content bytes of the chunk whose header is at byte `at`."""
    data = os.pread(container.fileno(), HEADER_BYTES, at)
    if at >= term.byte_stop or len(data) < HEADER_BYTES:
        raise XorbError("A stored term ends before the content it is said to hold.")
    header = parse_header(data)
    return header.stored, header.length


def _fetches(terms: Sequence[PlacedTerm]) -> dict[str, list[FetchRange]]:
    """What to fetch of each container: runs that touch or overlap are one."""
    runs: dict[str, list[FetchRange]] = {}
    for term in sorted(terms, key=lambda term: (term.chunk_start, term.chunk_end)):
        fetch = FetchRange(term.chunk_start, term.chunk_end, term.byte_start, term.byte_stop)
        known = runs.setdefault(term.container, [])
        if known and fetch.chunk_start <= known[-1].chunk_end:
            last = known[-1]
            known[-1] = FetchRange(
                last.chunk_start,
                max(last.chunk_end, fetch.chunk_end),
                last.byte_start,
                max(last.byte_stop, fetch.byte_stop),
            )
        else:
            known.append(fetch)
    return runs
