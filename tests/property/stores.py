"""A store under test: emptied, made older, read by the test's own means, its collector interrupted."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pygit2
from django.conf import settings
from django.db.models import F

from models_app.actions import garbage_files, garbage_xorbs
from models_app.files import xorb_store
from models_app.models import (
    Bucket,
    BucketFile,
    BucketUpload,
    Chunk,
    Event,
    FileTerm,
    LargeFile,
    Repo,
    RepoFile,
    Xorb,
)
from models_app.storage.lfs import parse_pointer
from models_app.storage.xet.hashing import chunk_hash
from models_app.storage.xet.xorb import HEADER_BYTES, decode_chunk, parse_header, unpack_table


class Killed(BaseException):
    """The process dies here."""


def wipe(root: Path) -> None:
    for table in (BucketFile, BucketUpload, Bucket, RepoFile, Event, Repo, LargeFile, Xorb):
        table._default_manager.all().delete()
    for name in ("xorbs", "tmp", "git"):
        setattr(settings, f"HUB_{name.upper()}_DIR", root / name)
        (root / name).mkdir(parents=True)


def files(folder: str) -> Iterator[Path]:
    root = Path(getattr(settings, f"HUB_{folder.upper()}_DIR"))
    return (path for path in root.rglob("*") if path.is_file())


def age(span: timedelta) -> None:
    """Make everything that is stored older."""
    RepoFile.objects.update(
        first_seen_at=F("first_seen_at") - span, unreached_since=F("unreached_since") - span
    )
    BucketUpload.objects.update(first_seen_at=F("first_seen_at") - span)
    Xorb.objects.update(last_used_at=F("last_used_at") - span, created_at=F("created_at") - span)
    for folder in ("xorbs", "tmp", "git"):
        root = Path(getattr(settings, f"HUB_{folder.upper()}_DIR"))
        for path in root.rglob("*"):
            moment = path.stat().st_mtime - span.total_seconds()
            os.utime(path, (moment, moment))


def rows() -> dict[str, int]:
    tables = (RepoFile, LargeFile, FileTerm, Xorb, Chunk, BucketUpload)
    counts = {table.__name__: table._default_manager.count() for table in tables}
    return counts | {"files": sum(1 for folder in ("xorbs", "tmp", "git") for _ in files(folder))}


def pointer_text(sha256: str, size: int) -> bytes:
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


def pointers(path: Path) -> set[tuple[str, int]]:
    """Every pointer below every reference, by a walk of the test's own."""
    repository = pygit2.Repository(str(path))
    found: set[tuple[str, int]] = set()
    for name in repository.listall_references():
        for each in repository.walk(repository.lookup_reference(name).peel(pygit2.Commit).id):
            found |= _pointers_of(repository, each.tree)
    return found


def _pointers_of(repository: pygit2.Repository, tree: Any) -> set[tuple[str, int]]:
    found = set()
    for item in tree:
        if isinstance(item, pygit2.Tree):
            found |= _pointers_of(repository, item)
        elif pointer := parse_pointer(item.data):
            found.add((pointer.sha256, pointer.size))
    return found


def check_promises() -> int:
    """Every chunk that a client may still name is on disk, whole; how many there are."""
    stored: set[bytes] = set()
    for row in Chunk.objects.all():
        with xorb_store().open(row.xorb_id) as file:
            file.seek(row.offset)
            data = file.read(row.stored_length)
        header = parse_header(data[:HEADER_BYTES])
        assert chunk_hash(bytes(decode_chunk(header, data[HEADER_BYTES:]))) == bytes(row.hash)
        stored.add(bytes(row.hash))
    for packed in Xorb.objects.exclude(chunk_table=b"").values_list("chunk_table", flat=True):
        assert {raw for raw, _length in unpack_table(packed)} <= stored
    return len(stored)


@contextmanager
def dying_after(removals: int | None) -> Iterator[None]:
    """Let the process die when it has removed so many files and is about to remove the next."""
    if removals is None:
        yield
        return
    left, remove = [removals], garbage_xorbs.remove_unnamed

    def dying(name: str) -> int:
        if left[0] == 0:
            raise Killed
        left[0] -= 1
        return remove(name)

    with mock.patch.object(garbage_xorbs, "remove_unnamed", dying):
        yield


@contextmanager
def at_point(point: str, happens: Callable[[], None]) -> Iterator[None]:
    """Let something happen once, at a place where the collector holds no lock."""
    target, name, before = {
        "walked": (garbage_files.Reach, "add_references", False),
        "files chosen": (garbage_files, "_drop_files", True),
        "tables read": (garbage_xorbs, "_needed_by", False),
        "rows gone": (garbage_xorbs, "remove_unnamed", True),
    }[point]
    original, done = getattr(target, name), []

    def wrapped(*arguments: Any, **words: Any) -> Any:
        if before and not done:
            done.append(True)
            happens()
        result = original(*arguments, **words)
        if not before and not done:
            done.append(True)
            happens()
        return result

    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(target, name, wrapped))
        yield
