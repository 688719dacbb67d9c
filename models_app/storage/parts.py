"""Parts of large uploads until the last has come: one folder an upload, files named by number and digest."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from models_app.storage.errors import StorageError
from models_app.storage.streams import Body, read_pieces

_KEY = re.compile(r"[0-9a-f-]{1,130}")
_ETAG = re.compile(r"[0-9a-f]{64}")


class MissingPart(StorageError):
    """A part that was announced as sent is not here."""


class PartStore:
    """A directory of unfinished uploads."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, key: str, number: int, body: Body, size: int) -> str:
        """Keep `size` bytes of `body` as part `number` of `key`; its ETag. BodyCutShort keeps nothing."""
        folder = self._folder(key)
        folder.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with tempfile.NamedTemporaryFile(dir=folder, prefix="incoming-", delete=False) as file:
            try:
                for piece in read_pieces(body, size):
                    digest.update(piece)
                    file.write(piece)
                file.flush()
                os.replace(file.name, folder / _name(number, digest.hexdigest()))
            finally:
                Path(file.name).unlink(missing_ok=True)
        return digest.hexdigest()

    @contextmanager
    def opened(self, key: str, parts: Sequence[tuple[int, str]]) -> Iterator[Body]:
        """The parts (number, ETag) one after the other as one stream; MissingPart names one not here."""
        folder = self._folder(key)
        paths = [self._path(folder, number, etag) for number, etag in parts]
        joined = _Joined(paths)
        try:
            yield joined
        finally:
            joined.close()

    def size(self, key: str, parts: Sequence[tuple[int, str]]) -> int:
        """How many bytes the parts have in all; MissingPart as above."""
        folder = self._folder(key)
        return sum(self._path(folder, number, etag).stat().st_size for number, etag in parts)

    def held(self, key: str) -> dict[int, list[tuple[str, int]]]:
        """{number: [(ETag, bytes)]} of the parts that are here; a number may have come with two contents."""
        found: dict[int, list[tuple[str, int]]] = {}
        for path in self._folder(key).glob("[0-9]*.*"):
            number, _, digest = path.name.partition(".")
            with suppress(FileNotFoundError):
                found.setdefault(int(number), []).append((digest, path.stat().st_size))
        return found

    def drop(self, key: str) -> None:
        """Forget the upload."""
        shutil.rmtree(self._folder(key), ignore_errors=True)

    def sweep(self, older_than_seconds: float) -> int:
        """Forget uploads to which nothing has come for so long; how many."""
        before = time.time() - older_than_seconds
        swept = 0
        for folder in self._root.iterdir() if self._root.exists() else ():
            with suppress(FileNotFoundError):
                if folder.stat().st_mtime < before:
                    shutil.rmtree(folder, ignore_errors=True)
                    swept += 1
        return swept

    def _folder(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} names no upload")
        return self._root / key

    def _path(self, folder: Path, number: int, etag: str) -> Path:
        path = folder / _name(number, etag) if _ETAG.fullmatch(etag) else None
        if path is None or not path.exists():
            raise MissingPart(
                f"Part {number} was not uploaded with this ETag, or has expired; please start again."
            )
        return path


def _name(number: int, digest: str) -> str:
    return f"{number:05d}.{digest}"


class _Joined:
    """Files read as one, each opened when its turn comes."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._waiting = list(paths)
        self._file: BinaryIO | None = None

    def read(self, size: int) -> bytes:
        while self._file is not None or self._waiting:
            if self._file is None:
                self._file = self._waiting.pop(0).open("rb")
            if piece := self._file.read(size):
                return piece
            self.close()
        return b""

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
