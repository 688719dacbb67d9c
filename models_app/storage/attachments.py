"""Attached files on disk: written aside, moved into place whole, served in slices."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from models_app.storage.streams import PIECE_BYTES, Body, BodyCutShort


class AttachmentStore:
    """One folder of files, spread over 256 by the first letters of their names."""

    def __init__(self, root: Path, tmp: Path) -> None:
        self.root, self.tmp = root, tmp

    def path(self, name: str) -> Path:
        return self.root / name[:2] / name

    def keep(self, staged: Path, name: str) -> None:
        """Move a staged file to its place; from then on it is there whole or not at all."""
        place = self.path(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(staged, place)

    def forget(self, name: str) -> None:
        self.path(name).unlink(missing_ok=True)

    @contextlib.contextmanager
    def staged(self) -> Iterator[IO[bytes]]:
        """A new file beside the others, gone at the end unless it was kept."""
        self.tmp.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.tmp, prefix="attachment-", delete=False) as file:
            try:
                yield file
            finally:
                Path(file.name).unlink(missing_ok=True)

    def read(self, name: str, start: int, stop: int) -> Iterator[bytes]:
        """Bytes `start` to `stop` (exclusive); FileNotFoundError at once when there is no such file."""
        path = self.path(name)
        path.stat()
        return _slices(path, start, stop)


def copy_bounded(body: Body, first: bytes, file: IO[bytes], *, announced: int | None, limit: int) -> int:
    """Write `first` and the rest of `body`, then flush to disk; the size, or -1 once it is over `limit`.

    Raises BodyCutShort when fewer bytes came than `announced`.
    """
    size, piece = 0, first
    while piece:
        size += len(piece)
        if size > limit:
            return -1
        file.write(piece)
        try:
            piece = body.read(PIECE_BYTES)
        except OSError as error:
            raise BodyCutShort("The body broke off before its end; nothing was stored.") from error
    if announced is not None and size != announced:
        raise BodyCutShort(f"The body ended after {size} of {announced} bytes; nothing was stored.")
    file.flush()
    os.fsync(file.fileno())
    return size


def _slices(path: Path, start: int, stop: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        left = stop - start
        while left > 0 and (piece := file.read(min(PIECE_BYTES, left))):
            left -= len(piece)
            yield piece
