"""From a repo's row to the bytes of its files: git for ordinary files, the xorb store for large ones."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable, Iterator

from django.conf import settings
from django.db.models import F

from accounts.prepared import Prepared
from models_app.models import FileTerm, LargeFile, Repo
from models_app.storage.errors import ContentLost, EntryNotFound, FileTooLarge
from models_app.storage.gitstore import GitStore, repo_path
from models_app.storage.lfs import Pointer
from models_app.storage.streams import ahead
from models_app.storage.xet.assemble import assemble, open_assembled
from models_app.storage.xet.reconstruct import PlacedTerm, Reconstruction, reconstruct
from models_app.storage.xet.store import XorbStore

logger = logging.getLogger(__name__)

# Values that no other part of the query has.
_REFERRED = Prepared(
    lambda sha256, size, repo: LargeFile.objects.filter(
        sha256=sha256, size=size, repo_files__repo=repo
    ).order_by(),
    "sha256",
    1,
    2,
)

# --- git


def git_store(repo: Repo) -> GitStore:
    """The repo's git repository; make one per request."""
    return GitStore(repo_path(settings.HUB_GIT_DIR, repo.uuid))


def large_file_of(repo: Repo, pointer: Pointer) -> LargeFile | None:
    """The content behind a pointer, if this repo has the permission to refer to it."""
    return _REFERRED.first(pointer.sha256, pointer.size, repo.pk)


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
    return XorbStore(settings.HUB_XORBS_DIR, settings.HUB_TMP_DIR, direct=settings.HUB_DIRECT_IO)


def stream_large_file(large_file: LargeFile, start: int, stop: int, *, once: bool = False) -> Iterator[bytes]:
    """Content bytes `start` to `stop` (exclusive) in pieces of at most 1 MiB; `once` as in
    `XorbStore.reading`.

    The rows are read here, before the first piece is asked for: a slow reader holds no database connection.
    Raises ContentLost when a container is not on disk, so that no answer begins that cannot be finished.
    """
    terms = _terms(large_file, start, stop)
    _check_containers(term.container for term in terms)
    pieces = assemble(xorb_store(), [term.located() for term in terms], start, stop, once=once)
    return ahead(pieces) if once else pieces  # nothing else reads ahead there


def open_large_file(large_file: LargeFile) -> io.BufferedReader:
    """The content as a seekable file, for readers of headers and footers."""
    terms = [term.located() for term in _terms(large_file, 0, large_file.size)]
    return open_assembled(xorb_store(), terms, large_file.size)


def reconstruction_of(large_file: LargeFile, start: int, stop: int) -> Reconstruction:
    """How a client may fetch content bytes `start` to `stop` (exclusive) itself; ContentLost as above."""
    terms = _terms(large_file, start, stop)
    _check_containers(term.container for term in terms)
    return reconstruct(xorb_store(), terms, start, stop)


def _terms(large_file: LargeFile, start: int, stop: int) -> list[PlacedTerm]:
    rows = FileTerm.objects.filter(file=large_file, file_offset__lt=stop)
    overlapping = rows.annotate(file_stop=F("file_offset") + F("length")).filter(file_stop__gt=start)
    fields = ("xorb_id", "chunk_start", "chunk_end", "byte_start", "byte_end", "file_offset", "length")
    return [PlacedTerm(*row) for row in overlapping.order_by("index").values_list(*fields)]


def _check_containers(names: Iterable[str]) -> None:
    store = xorb_store()
    for name in dict.fromkeys(names):
        if not store.path(name).exists():
            logger.error("xorb %s is not on disk; files that need it cannot be served", name)
            raise ContentLost
