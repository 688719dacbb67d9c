"""From a repo's row to the bytes of its files: git for ordinary files, the xorb store for large ones."""

from __future__ import annotations

import io
from collections.abc import Iterator

from django.conf import settings
from django.db.models import F

from models_app.models import FileTerm, LargeFile, Repo
from models_app.storage.errors import EntryNotFound, FileTooLarge
from models_app.storage.gitstore import GitStore, repo_path
from models_app.storage.lfs import Pointer
from models_app.storage.xet.assemble import Term, assemble, open_assembled
from models_app.storage.xet.store import XorbStore

# --- git


def git_store(repo: Repo) -> GitStore:
    """The repo's git repository; make one per request."""
    return GitStore(repo_path(settings.HUB_GIT_DIR, repo.uuid))


def large_file_of(repo: Repo, pointer: Pointer) -> LargeFile | None:
    """The content behind a pointer, if this repo has the permission to refer to it."""
    return LargeFile.objects.filter(sha256=pointer.sha256, size=pointer.size, repo_files__repo=repo).first()


def read_file(repo: Repo, oid: str, path: str, limit: int) -> bytes:
    """The whole content of a file of commit `oid`, ordinary or large.

    Raises EntryNotFound (also for a pointer to content this repo may not refer to) or FileTooLarge.
    """
    store = git_store(repo)
    entry = store.entry(oid, path)
    if entry is None or not entry.is_file:
        raise EntryNotFound(f"{path} does not exist on {oid}", oid)
    if entry.size > limit:
        raise FileTooLarge(f"{path} has {entry.size} bytes; at most {limit} are read here")
    if entry.pointer is None:
        return store.blob(entry.oid)
    large_file = large_file_of(repo, entry.pointer)
    if large_file is None:
        raise EntryNotFound(f"the content of {path} is not stored here", oid)
    return b"".join(stream_large_file(large_file, 0, large_file.size))


# --- large files (the xorb store)


def xorb_store() -> XorbStore:
    """The one store of xorb bytes, shared by all repos."""
    return XorbStore(settings.HUB_XORBS_DIR, settings.HUB_TMP_DIR)


def stream_large_file(large_file: LargeFile, start: int, stop: int) -> Iterator[bytes]:
    """Content bytes `start` to `stop` (exclusive) in pieces of at most 1 MiB.

    The rows are read here, before the first piece is asked for: a slow reader holds no database connection.
    """
    return assemble(xorb_store(), _terms(large_file, start, stop), start, stop)


def open_large_file(large_file: LargeFile) -> io.BufferedReader:
    """The content as a seekable file, for readers of headers and footers."""
    return open_assembled(xorb_store(), _terms(large_file, 0, large_file.size), large_file.size)


def _terms(large_file: LargeFile, start: int, stop: int) -> list[Term]:
    rows = FileTerm.objects.filter(file=large_file, file_offset__lt=stop)
    overlapping = rows.annotate(file_stop=F("file_offset") + F("length")).filter(file_stop__gt=start)
    fields = ("xorb_id", "byte_start", "byte_end", "file_offset", "length")
    return [Term(*row) for row in overlapping.order_by("index").values_list(*fields)]
