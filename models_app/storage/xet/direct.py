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
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from types import TracebackType

from models_app.storage.streams import Body, fill

BLOCK_BYTES = 4096
_SLAB_BYTES = 1024**2
_KEPT_SLABS = 32
# Slabs on their way while one is worked on.
_AHEAD = 4
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
        self._pair = (_slabs.take(), _slabs.take())
        self._view, self._other = (memoryview(slab) for slab in self._pair)
        self._written = 0

    def take(self, body: Body, length: int) -> Iterator[memoryview]:
        """Append `length` bytes of `body`; they are shown a slab at a time, each until the next but one is
        asked for.

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
            self._view, self._other = self._other, self._view

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
            for slab in self._pair:
                _slabs.give(slab)

    def _put(self, size: int) -> None:
        done = 0
        while done < size:
            with self._view[done:size] as part:
                done += _either_way(self._fd, partial(os.pwrite, self._fd, part, self._written + done))


@contextmanager
def reading(path: str | os.PathLike[str], stop: int | None = None) -> Iterator[Callable[[int, int], bytes]]:
    """A function of position and number of bytes; it may give fewer, none only at the file's end.

    Made for reading onwards, up to byte `stop` where that is known: what comes next is on its way already.
    """
    fd = _open(path, os.O_RDONLY, direct=True)
    try:
        with ThreadPoolExecutor(_AHEAD) as pool:
            ahead = _ReadAhead(fd, os.fstat(fd).st_size if stop is None else stop, pool)
            try:
                yield ahead.read
            finally:
                ahead.keep(range(0))
    finally:
        os.close(fd)


class _ReadAhead:
    """Slabs of a file by their number, each read by a thread: one at a time leaves the disk idle between."""

    def __init__(self, fd: int, stop: int, pool: ThreadPoolExecutor) -> None:
        self._fd, self._count, self._pool = fd, -(-stop // _SLAB_BYTES), pool
        self._coming: dict[int, Future[tuple[mmap.mmap, int]]] = {}

    def read(self, start: int, size: int) -> bytes:
        number, begin = divmod(start, _SLAB_BYTES)
        self.keep(range(number, number + _AHEAD))
        for coming in range(number, max(number + 1, min(number + _AHEAD, self._count))):
            if coming not in self._coming:
                self._coming[coming] = self._pool.submit(self._fetch, coming)
        head = self._part(number, begin, begin + size)
        rest = begin + size - _SLAB_BYTES
        if rest <= 0 or number + 1 not in self._coming or begin + len(head) < _SLAB_BYTES:
            return head
        return head + self._part(number + 1, 0, rest)

    def keep(self, numbers: range) -> None:
        """Give back all slabs but these."""
        for number in [number for number in self._coming if number not in numbers]:
            coming = self._coming.pop(number)
            if coming.cancel() or coming.exception() is not None:
                continue
            _slabs.give(coming.result()[0])

    def _part(self, number: int, first: int, last: int) -> bytes:
        slab, got = self._coming[number].result()
        with memoryview(slab) as view:
            return bytes(view[first : min(last, got)])

    def _fetch(self, number: int) -> tuple[mmap.mmap, int]:
        slab = _slabs.take()
        try:
            place = number * _SLAB_BYTES
            return slab, _either_way(self._fd, partial(os.preadv, self._fd, [slab], place))
        except BaseException:
            _slabs.give(slab)
            raise


def _whole_blocks(size: int) -> int:
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES


def _either_way(fd: int, call: Callable[[], int]) -> int:
    """The call; once more through the page cache where the file system says no only now."""
    try:
        return call()
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        # Another thread may have been refused, and have taken the flag off, a moment before.
        fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) & ~_DIRECT)
        return call()


def _open(path: str | os.PathLike[str], flags: int, direct: bool) -> int:
    try:
        return os.open(path, flags | _DIRECT if direct else flags)
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        return os.open(path, flags)
