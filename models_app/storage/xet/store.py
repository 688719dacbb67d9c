"""Xorb files on disk: written under a temporary name, durable before they get their own, read by position."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, ClassVar, cast

from models_app.storage.xet.direct import DirectWriter
from models_app.storage.xet.direct import reading as reading_directly
from models_app.storage.xet.hashing import hash_from_text

_COPY_BYTES = 1024**2
_SWEEP_SECONDS = 3600
# No upload takes three days, so what is that old was left by a process that was killed.
_ABANDONED_SECONDS = 3 * 86_400


class XorbStore:
    """A directory of immutable files `ab/cd/<hash>` and a place on the same volume for unfinished ones.

    `direct`: what is written or read once goes past the page cache.
    """

    _swept: ClassVar[dict[Path, float]] = {}

    def __init__(self, root: Path, temporary: Path, *, direct: bool = True) -> None:
        self.root = root
        self.temporary = temporary
        self.direct = direct

    def path(self, name: str) -> Path:
        """Where the xorb's bytes are; ValueError unless `name` is a hash string."""
        hash_from_text(name)
        return self.root / name[:2] / name[2:4] / name

    @contextmanager
    def incoming(self) -> Iterator[BinaryIO]:
        """A temporary file, open for writing and reading; removed at the end unless `keep` renamed it."""
        self.temporary.mkdir(parents=True, exist_ok=True)
        self._sweep()
        with tempfile.NamedTemporaryFile(dir=self.temporary, prefix="xorb-", delete=False) as file:
            try:
                yield cast(BinaryIO, file)
            finally:
                Path(file.name).unlink(missing_ok=True)

    def sync(self, incoming: BinaryIO) -> None:
        """Make the temporary file's bytes durable, before anything refers to them."""
        incoming.flush()
        os.fsync(incoming.fileno())

    def keep(self, incoming: BinaryIO, name: str) -> None:
        """Give a synced temporary file its final name, atomically; an orphan of that name is replaced."""
        target = self.path(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(incoming.name, target)
        directory = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def open(self, name: str) -> BinaryIO:
        """The xorb's bytes, unbuffered for positioned reads; FileNotFoundError when they are gone."""
        return self.path(name).open("rb", buffering=0)

    def writer(self, incoming: BinaryIO) -> DirectWriter:
        """For all of a temporary file at once."""
        return DirectWriter(incoming.name, direct=self.direct)

    @contextmanager
    def reading(
        self, name: str, *, once: bool = False, stop: int | None = None
    ) -> Iterator[Callable[[int, int], bytes]]:
        """A function of position and number of bytes; FileNotFoundError when the xorb is gone. `once`: nobody
        is expected to read it again soon, and nothing from byte `stop` on."""
        if once and self.direct:
            with reading_directly(self.path(name), stop) as read:
                yield read
            return
        with self.open(name) as file:
            yield lambda start, size: os.pread(file.fileno(), size, start)

    def stream_once(self, name: str, start: int, stop: int) -> Iterator[bytes]:
        """The bytes `start` to `stop` (exclusive) in pieces, for somebody who may be the only one to ask."""
        with self.reading(name, once=True, stop=stop) as read:
            while start < stop and (piece := read(start, min(_COPY_BYTES, stop - start))):
                start += len(piece)
                yield piece

    def delete(self, name: str) -> None:
        """Remove the bytes; no error when there are none."""
        self.path(name).unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove the temporary files of killed processes; looks at most once an hour."""
        now = time.time()
        if now - self._swept.get(self.temporary, 0) < _SWEEP_SECONDS:
            return
        self._swept[self.temporary] = now
        for path in self.temporary.glob("xorb-*"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < now - _ABANDONED_SECONDS:
                    path.unlink()

    def generation(self) -> int:
        """A number that changes when the store is wiped: clients key their memory of what they sent by it."""
        file = self.root / "generation"
        try:
            return int(file.read_text())
        except (FileNotFoundError, ValueError):
            return self._begin_generation(file)

    def _begin_generation(self, file: Path) -> int:
        self.root.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=self.root, prefix="generation-", delete=False) as draft:
            draft.write(str(int(time.time())))
        try:
            # A link fails where a rename would overwrite: of two processes that begin at once, one decides.
            os.link(draft.name, file)
        except FileExistsError:
            if not file.read_text().strip().isdigit():
                os.replace(draft.name, file)
        Path(draft.name).unlink(missing_ok=True)
        return int(file.read_text())


def copy_ranges(source: BinaryIO, target: BinaryIO, ranges: Sequence[tuple[int, int]]) -> None:
    """Append the byte ranges (start, stop) of `source` to `target`, in order."""
    for start, stop in ranges:
        while start < stop:
            piece = os.pread(source.fileno(), min(_COPY_BYTES, stop - start), start)
            if not piece:
                raise OSError(f"{source.name} ended at byte {start}, {stop - start} too early")
            target.write(piece)
            start += len(piece)


class FileSlice:
    """Bytes `start` to `stop` of an open, unbuffered file, in the form that WSGI servers take: something to
    read, or a descriptor that stands at the first byte, for the kernel to send from."""

    def __init__(self, file: BinaryIO, start: int, stop: int) -> None:
        file.seek(start)
        self._file = file
        self._left = stop - start

    def fileno(self) -> int:
        """The descriptor; its position is the first byte not yet read."""
        return self._file.fileno()

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes of what is left of the slice; empty at its end."""
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data

    def close(self) -> None:
        """Close the file."""
        self._file.close()
