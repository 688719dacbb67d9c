"""Request bodies as bounded pieces: never more than announced, never less taken for whole."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from models_app.storage.errors import StorageError

PIECE_BYTES = 1024**2


class Body(Protocol):
    """Whatever bytes can be read from, in pieces: a request's body, a file, several files as one."""

    def read(self, size: int, /) -> bytes: ...


class BodyCutShort(StorageError):
    """The client hung up, or announced more than it sent."""


def read_pieces(body: Body, length: int) -> Iterator[bytes]:
    """Exactly `length` bytes of `body` in pieces of at most 1 MiB; BodyCutShort when there are fewer."""
    left = length
    read = getattr(body, "read1", body.read)  # as it arrives, where the body can tell
    while left:
        try:
            piece = read(min(PIECE_BYTES, left))
        except OSError as error:
            raise _cut_short(left, length) from error
        if not piece:
            raise _cut_short(left, length)
        left -= len(piece)
        yield piece


def fill(body: Body, view: memoryview, left: int, length: int) -> None:
    """All of `view` from `body`, where `left` of `length` bytes are still to come.

    BodyCutShort when there are fewer. Without a copy where the body has `readinto1`.
    """
    filled = 0
    while filled < len(view):
        try:
            count = _read_into(body, view[filled:])
        except OSError as error:
            raise _cut_short(left - filled, length) from error
        if not count:
            raise _cut_short(left - filled, length)
        filled += count


def _read_into(body: Body, view: memoryview) -> int:
    if hasattr(body, "readinto1"):
        return int(body.readinto1(view))
    piece = body.read(len(view))
    view[: len(piece)] = piece
    return len(piece)


def ahead(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same pieces, each made while the one before is under way."""
    with ThreadPoolExecutor(1) as other:
        coming = other.submit(next, pieces, None)
        while (piece := coming.result()) is not None:
            coming = other.submit(next, pieces, None)
            yield piece


def discard(body: Body, limit: int) -> None:
    """Read what is left of a refused body, at most `limit` bytes; a client that is gone is no matter."""
    try:
        while limit > 0 and (piece := body.read(min(PIECE_BYTES, limit))):
            limit -= len(piece)
    except OSError:
        return


def _cut_short(left: int, length: int) -> BodyCutShort:
    return BodyCutShort(f"The body ended after {length - left} of {length} bytes; nothing was stored.")
