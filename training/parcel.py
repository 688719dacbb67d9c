"""A checkpoint as it travels: a line of JSON that names the files and their sizes, then the files themselves.

What comes from elsewhere is read by its own header within bounds: known names only, nothing beyond the sizes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

PIECE = 1024**2
MAX_HEADER = 4096
NAMES = ("checkpoint.safetensors", "probe.safetensors")


class BadParcel(Exception):
    """Not what a worker has once sent."""


class Parcel:
    """The files of `folder`, as one stream of `size` bytes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = [(name, (folder / name).stat().st_size) for name in NAMES if (folder / name).is_file()]
        self.header = json.dumps({"format": 1, "files": self.files}).encode() + b"\n"
        self.size = len(self.header) + sum(size for _, size in self.files)

    def pieces(self) -> Iterator[bytes]:
        """The whole of it, anew at every call."""
        yield self.header
        for name, _ in self.files:
            with (self.folder / name).open("rb") as file:
                while piece := file.read(PIECE):
                    yield piece

    def sha256(self) -> str:
        """64 hex digits; reads everything once."""
        digest = hashlib.sha256()
        for piece in self.pieces():
            digest.update(piece)
        return digest.hexdigest()


def unpack(pieces: Iterable[bytes], folder: Path, *, size: int, sha256: str) -> None:
    """Write a parcel's files to `folder`, made anew. Raises BadParcel, and then there is no such folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        _write(pieces, folder, size, sha256)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _write(pieces: Iterable[bytes], folder: Path, size: int, sha256: str) -> None:
    digest, left, held = hashlib.sha256(), size, bytearray()
    waiting: list[tuple[str, int]] | None = None
    for piece in pieces:
        digest.update(piece)
        left -= len(piece)
        held += piece
        if left < 0:
            raise BadParcel("It is longer than announced.")
        if waiting is None and (b"\n" in held or len(held) > MAX_HEADER):
            line, _, rest = bytes(held).partition(b"\n")
            waiting, held = _files(line), bytearray(rest)
        if waiting is not None:
            held = _spend(held, waiting, folder)
    if waiting is None or waiting or held or left or digest.hexdigest() != sha256:
        raise BadParcel("It is not what the hub says it keeps.")


def _files(line: bytes) -> list[tuple[str, int]]:
    if len(line) > MAX_HEADER:
        raise BadParcel("It has no header.")
    with suppress(ValueError, KeyError, TypeError):
        header = json.loads(line)
        files = [(str(name), int(size)) for name, size in header["files"]]
        if header["format"] == 1 and all(name in NAMES and size > 0 for name, size in files):
            return files
    raise BadParcel("Its header says nothing we know.")


def _spend(held: bytearray, waiting: list[tuple[str, int]], folder: Path) -> bytearray:
    """Append what is held to the files in turn; what is left."""
    while waiting and held:
        name, missing = waiting[0]
        part = bytes(held[:missing])
        with (folder / name).open("ab") as file:
            file.write(part)
        held = held[len(part) :]
        waiting[0] = (name, missing - len(part))
        if not waiting[0][1]:
            waiting.pop(0)
    return held


def lay_out(folder: Path, target: Path) -> None:
    """The files of `folder` in `target` too; a save there replaces its own and leaves these."""
    for name in NAMES:
        if (folder / name).is_file():
            (target / name).unlink(missing_ok=True)
            try:
                os.link(folder / name, target / name)
            except OSError:  # a file system without hard links
                shutil.copyfile(folder / name, target / name)
