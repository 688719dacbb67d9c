"""New objects of a push, kept apart until checked: a repository of their own that borrows the old ones."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from models_app.storage import gitprocess
from models_app.storage.errors import BadRefName, StaleParent, StorageError
from models_app.storage.gitlocks import clear_stale_locks
from models_app.storage.gitpush import RefUpdate, read_exactly
from models_app.storage.gitstore import GitStore
from models_app.storage.streams import PIECE_BYTES, Body

MAX_OBJECTS = 5_000_000
_HEADER_BYTES, _TRAILER_BYTES = 12, 20
_PREFIX = "push-"
# For what git does once the pack is here.
_SECONDS = 600
# No push takes three days.
_ABANDONED_SECONDS = 3 * 86_400
# Trees of old tools have modes with a leading zero, which every reader accepts.
_CHECKS = "--strict=zeroPaddedFilemode=ignore"


class BadPack(StorageError):
    """The objects of a push are damaged, incomplete, malformed or too many."""


class Quarantine:
    """A temporary bare repository whose objects nobody else sees; `store` reads it and what it borrows."""

    def __init__(self, real: GitStore, folder: Path) -> None:
        self._real = real
        self.store = GitStore(folder)
        self.store.init()
        alternates = folder / "objects" / "info" / "alternates"
        alternates.parent.mkdir()
        alternates.write_text(f"{real.path / 'objects'}\n")

    def take_pack(self, body: Body, limit: int) -> None:
        """Read a pack of at most `limit` bytes, checking every object of it; BadPack says what is wrong."""
        header = read_exactly(body, _HEADER_BYTES)
        count = int.from_bytes(header[8:], "big")
        if not header.startswith(b"PACK"):
            raise BadPack("what follows the references is no pack")
        if count > MAX_OBJECTS:
            raise BadPack(f"the pack has {count} objects; at most {MAX_OBJECTS} are taken at once")
        if count == 0:
            read_exactly(body, _TRAILER_BYTES)
            return
        words = ("index-pack", "--stdin", "--fix-thin", _CHECKS, f"--max-input-size={limit}")
        command = gitprocess.command(f"--git-dir={self.store.path}", *words)
        with tempfile.TemporaryFile() as told:
            with gitprocess.running(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=told
            ) as process:
                status = _feed(process, header, body)
            told.seek(0)
            self._judge(status, told.read(64 * 1024))

    def _judge(self, status: int, told: bytes) -> None:
        if status == 0:
            return
        if b"No space left on device" in told or b"Disk quota exceeded" in told:
            raise OSError(errno.ENOSPC, "No space left on device")
        if b"maximum allowed size" in told:
            raise BadPack("the push is larger than this hub takes at once; push in several parts")
        # Of a broken object the line before the last says which and how.
        lines = [line for line in told.splitlines() if line.startswith(b"error: object ")] or [told]
        raise BadPack(gitprocess.complaint(lines[0], self.store.path, self._real.path))

    def new_objects(self, tips: Iterable[str], known: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Oid and path (empty for commits) of all that the tips lead to and the known references do not.

        BadPack when anything on the way is missing.
        """
        asked = [*tips, *(f"^{oid}" for oid in known)]
        command = gitprocess.command(f"--git-dir={self.store.path}", "rev-list", "--objects", "--stdin")
        with tempfile.TemporaryFile() as questions:
            questions.write("".join(f"{oid}\n" for oid in asked).encode())
            questions.seek(0)
            with gitprocess.running(
                command, seconds=_SECONDS, stdin=questions, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            ) as process:
                assert process.stdout is not None
                for line in process.stdout:
                    oid, _, path = line.rstrip(b"\n").partition(b" ")
                    yield oid.decode(), path.decode("utf-8", "replace")
                if process.wait() != 0:
                    raise BadPack("objects are missing; fetch first, and push from a complete clone")

    def migrate(self) -> None:
        """Put the new objects beside the old ones, durably; nothing leads to them yet."""
        source = self.store.path / "objects" / "pack"
        target = self._real.path / "objects" / "pack"
        target.mkdir(exist_ok=True)
        # A pack is seen by its index, so the index comes last.
        for file in sorted(source.glob("pack-*"), key=lambda file: file.suffix == ".idx"):
            os.replace(file, target / file.name)
        directory = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


@contextmanager
def quarantine(real: GitStore, temporary: Path) -> Iterator[Quarantine]:
    """A quarantine on the volume of `temporary` (the repositories' own), gone when the block ends."""
    temporary.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=temporary, prefix=_PREFIX, ignore_cleanup_errors=True) as folder:
        yield Quarantine(real, Path(folder) / "git")


def sweep(temporary: Path) -> int:
    """Remove quarantines that killed processes left in `temporary`; how many."""
    before = time.time() - _ABANDONED_SECONDS
    swept = 0
    for folder in temporary.glob(f"{_PREFIX}*"):
        with suppress(FileNotFoundError):
            if folder.stat().st_mtime < before:
                shutil.rmtree(folder, ignore_errors=True)
                swept += 1
    return swept


def _feed(process: subprocess.Popen[bytes], header: bytes, body: Body) -> int:
    """Give the process the header and the body's rest, as far as it takes them; its exit status."""
    assert process.stdin is not None
    piece = header
    try:
        while piece:
            process.stdin.write(piece)
            if process.poll() is not None:
                break
            piece = body.read(PIECE_BYTES)
        process.stdin.close()
    except BrokenPipeError:
        pass  # it has seen enough, and says why
    try:
        return process.wait(_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise BadPack(f"the objects could not be unpacked within {_SECONDS} seconds") from error


# --- references


def move_refs(store: GitStore, updates: Iterable[RefUpdate]) -> None:
    """Move all of these references or none, each only from where its `old` says it is.

    Raises StaleParent, or BadRefName where names collide (`a` and `a/b`).
    """
    orders = list(updates)
    for update in orders:
        clear_stale_locks(store.path, update.ref)
    done = gitprocess.run(store.path, "update-ref", "--stdin", "-z", data=b"".join(map(_order, orders)))
    if done.returncode == 0:
        return
    if b"No space left on device" in done.stderr or b"Disk quota exceeded" in done.stderr:
        raise OSError(errno.ENOSPC, "No space left on device")
    if b"but expected" in done.stderr or b"reference already exists" in done.stderr:
        raise StaleParent
    raise BadRefName(gitprocess.complaint(done.stderr, store.path))


def _order(update: RefUpdate) -> bytes:
    ref = update.ref.encode()
    if update.new is None:
        return b"delete %s\0%s\0" % (ref, (update.old or "").encode())
    if update.old is None:
        return b"create %s\0%s\0" % (ref, update.new.encode())
    return b"update %s\0%s\0%s\0" % (ref, update.new.encode(), update.old.encode())
