"""Request bodies as they arrive: what the socket has is handed on, without being gathered first.

Gunicorn collects what was asked for in buffers of its own, which copies every byte of an upload four times.
"""

from __future__ import annotations

from gunicorn.http.body import Body, LengthReader


class ArrivingBody(Body):
    """A body of announced length that also has `read1`, as buffered files do: at most one wait."""

    def __init__(self, reader: LengthReader) -> None:
        super().__init__(reader)

    def read1(self, size: int) -> bytes:
        """Between 1 and `size` bytes; none at the body's end, or where the client went away before it."""
        if held := self.buf.tell():
            return bytes(self.read(min(size, held)))
        size = min(size, self.reader.length)
        piece = self._next(size) if size else b""
        self.reader.length -= len(piece)
        self.failed |= not piece and size > 0
        return piece

    def _next(self, size: int) -> bytes:
        unreader = self.reader.unreader
        if early := unreader.take_buffered():
            unreader.unread(early[size:])
            return bytes(early[:size])
        try:
            return bytes(unreader.sock.recv(size))
        except Exception:
            self.failed = True
            raise
