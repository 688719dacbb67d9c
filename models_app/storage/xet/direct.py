"""Xorbs to the disk and back past the page cache, where the file system has such a road (O_DIRECT).

An upload is written once, proven once, and then mostly left alone: in the page cache it would push out what
people download, and on a virtual machine each fresh page of it costs more than hashing what is in it.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import TracebackType

from models_app.storage.streams import Body, fill

BLOCK_BYTES = 4096
_SLAB_BYTES = 1024**2
_KEPT_SLABS = 32
_DIRECT: int = getattr(os, "O_DIRECT", 0)
_REFUSED = (errno.EINVAL, errno.ENOTSUP)


class _Slabs:
    """Buffers that begin at a page, as direct writes want them; kept, since fresh memory is dear."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[mmap.mmap] = []

    def take(self) -> mmap.mmap:
        with self._lock:
            return self._idle.pop() if self._idle else mmap.mmap(-1, _SLAB_BYTES)

    def give(self, slab: mmap.mmap) -> None:
        with self._lock:
            if len(self._idle) < _KEPT_SLABS:
                self._idle.append(slab)


_slabs = _Slabs()


class DirectWriter:
    """`with DirectWriter(path) as file`: a file that is there, from its first byte to its last.

    It is whole when the block ends without an exception. `direct=False`: through the page cache after all.
    """

    def __init__(self, path: str | os.PathLike[str], *, direct: bool = True) -> None:
        self._fd = _open(path, os.O_WRONLY, direct)
        self._slab = _slabs.take()
        self._view = memoryview(self._slab)
        self._written = 0

    def take(self, body: Body, length: int) -> Iterator[memoryview]:
        """Append `length` bytes of `body`; they are shown a slab at a time, each until the next is asked for.

        Raises BodyCutShort when there are fewer.
        """
        taken = 0
        while taken < length:
            part = self._view[: min(_SLAB_BYTES, length - taken)]
            fill(body, part, length - taken, length)
            yield part
            self._put(_whole_blocks(len(part)))
            taken += len(part)
            self._written += len(part)

    def __enter__(self) -> DirectWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                os.ftruncate(self._fd, self._written)
        finally:
            os.close(self._fd)
            _slabs.give(self._slab)

    def _put(self, size: int) -> None:
        done = 0
        while done < size:
            with self._view[done:size] as part:
                done += _either_way(self._fd, partial(os.pwrite, self._fd, part, self._written + done))


@contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[Callable[[int, int], bytes]]:
    """A function of position and number of bytes; it may give fewer, none only at the file's end."""
    fd, slab = _open(path, os.O_RDONLY, direct=True), _slabs.take()

    def read(start: int, size: int) -> bytes:
        first = start // BLOCK_BYTES * BLOCK_BYTES
        wanted = min(_whole_blocks(start + size - first), _SLAB_BYTES)
        with memoryview(slab) as view, view[:wanted] as part:
            got = _either_way(fd, partial(os.preadv, fd, [part], first))
            return bytes(part[start - first : min(got, start - first + size)])

    try:
        yield read
    finally:
        os.close(fd)
        _slabs.give(slab)


def _whole_blocks(size: int) -> int:
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES


def _either_way(fd: int, call: Callable[[], int]) -> int:
    """The call; once more through the page cache where the file system says no only now."""
    try:
        return call()
    except OSError as error:
        flags = fcntl.fcntl(fd, fcntl.F_GETFL)
        if error.errno not in _REFUSED or not flags & _DIRECT:
            raise
        fcntl.fcntl(fd, fcntl.F_SETFL, flags & ~_DIRECT)
        return call()


def _open(path: str | os.PathLike[str], flags: int, direct: bool) -> int:
    try:
        return os.open(path, flags | _DIRECT if direct else flags)
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        return os.open(path, flags)
