"""New blobs on their way into a repository: a few as files of their own, many as one pack.

Making a file for each takes a commit of thousands of small files most of its time, and every clone again.
Format: https://git-scm.com/docs/gitformat-pack
"""

from __future__ import annotations

import hashlib
import struct
import subprocess
import tempfile
import zlib
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import pygit2

from models_app.storage import gitprocess

FEW = 64
_FEW_BYTES = 8 * 1024**2
_BLOB = 3
_SECONDS = 300
_PIECE = 1024**2


class PackRefused(Exception):
    """Git did not take the pack, which is no fault of the content's: nothing of it is in the repository."""


class NewBlobs:
    """`with NewBlobs(repository) as blobs`: what was added is in the repository when the block has ended
    without an exception, and not before."""

    def __init__(self, repository: pygit2.Repository) -> None:
        self._repository = repository
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._pack: _Pack | None = None

    def add(self, content: bytes) -> str:
        """The blob's id (40 hex digits)."""
        if self._pack is None:
            self._hold(content)
        else:
            self._pack.add(content)
        return _oid(content).hexdigest()

    def _hold(self, content: bytes) -> None:
        self._held.append(content)
        self._held_bytes += len(content)
        if len(self._held) > FEW or self._held_bytes > _FEW_BYTES:
            self._pack = _Pack(Path(self._repository.path))
            for one in self._held:
                self._pack.add(one)
            self._held.clear()

    def __enter__(self) -> NewBlobs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._write()
        finally:
            if self._pack is not None:
                self._pack.close()

    def _write(self) -> None:
        for content in self._held:
            self._repository.create_blob(content)
        if self._pack is not None:
            self._pack.finish()


class _Pack:
    """A pack file in the making, aside until git itself has read it through and given it a name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO = tempfile.TemporaryFile(dir=path)  # noqa: SIM115
        self._oids: set[bytes] = set()
        self._file.write(self._head())

    def _head(self) -> bytes:
        return struct.pack(">4sII", b"PACK", 2, len(self._oids))

    def add(self, content: bytes) -> None:
        raw = _oid(content).digest()
        if raw not in self._oids:
            self._oids.add(raw)
            self._file.write(_entry_head(len(content)) + zlib.compress(content))

    def finish(self) -> None:
        """Hand it to git, which looks through all of it; PackRefused when it says no."""
        self._file.seek(0)
        self._file.write(self._head())
        self._file.seek(0)
        digest = hashlib.sha1(usedforsecurity=False)
        while piece := self._file.read(_PIECE):
            digest.update(piece)
        self._file.write(digest.digest())
        self._file.seek(0)
        words = gitprocess.command(f"--git-dir={self._path}", "index-pack", "--stdin")
        pipes = {"stdin": self._file, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        with gitprocess.running(words, seconds=_SECONDS, **pipes) as process:
            _, said = process.communicate()
        if process.returncode != 0:
            raise PackRefused(gitprocess.complaint(said, self._path))

    def close(self) -> None:
        self._file.close()


def _oid(content: bytes) -> hashlib._Hash:
    digest = hashlib.sha1(b"blob %d\0" % len(content), usedforsecurity=False)
    digest.update(content)
    return digest


def _entry_head(size: int) -> bytes:
    """Type and size as git packs them: four bits of the size, then seven a byte, lowest first."""
    first, rest = _BLOB << 4 | size & 15, size >> 4
    found = bytearray()
    while rest:
        found.append(first | 128)
        first, rest = rest & 127, rest >> 7
    found.append(first)
    return bytes(found)
