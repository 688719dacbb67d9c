"""Request bodies as they arrive: what the socket has is handed on, without being gathered first.

Gunicorn collects what was asked for in buffers of its own, which copies every byte of an upload four times.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gunicorn.http.body import Body, LengthReader


class ArrivingBody(Body):
    """A body of announced length that also has `read1` and `readinto1`, as buffered files have: one wait at
    most."""

    def __init__(self, reader: LengthReader) -> None:
        super().__init__(reader)

    def read1(self, size: int) -> bytes:
        """Between 1 and `size` bytes; none at the body's end, or where the client went away before it."""
        held = self._held(size)
        if held is not None:
            return held
        with self._asking():
            piece = bytes(self.reader.unreader.sock.recv(min(size, self.reader.length)))
        self._count(len(piece))
        return piece

    def readinto1(self, view: memoryview) -> int:
        """The same into `view`; how many bytes that were."""
        held = self._held(len(view))
        if held is not None:
            view[: len(held)] = held
            return len(held)
        with self._asking():
            count: int = self.reader.unreader.sock.recv_into(view[: self.reader.length])
        self._count(count)
        return count

    def _held(self, size: int) -> bytes | None:
        """What gunicorn has read already, nothing at the body's end; None where the socket must be asked."""
        if held := self.buf.tell():
            return bytes(self.read(min(size, held)))
        size = min(size, self.reader.length)
        early = self.reader.unreader.take_buffered() if size else b""
        if size and not early:
            return None
        self.reader.unreader.unread(early[size:])
        self.reader.length -= len(early[:size])
        return bytes(early[:size])

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except Exception:
            self.failed = True
            raise

    def _count(self, arrived: int) -> None:
        self.reader.length -= arrived
        self.failed |= not arrived
