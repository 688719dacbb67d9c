"""The LFS road: an object arrives by one PUT, is cut into chunks as it comes, and ends as the same rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from typing import BinaryIO

from django.conf import settings
from django.utils import timezone

from accounts.actor import Actor
from models_app.access import LoginRequired
from models_app.actions.content import (
    ContentMismatch,
    NewFile,
    batches,
    find_chunks,
    keep_files,
    keep_xorb,
    locate,
)
from models_app.actions.contributions import contributed, note_contribution
from models_app.files import xorb_store
from models_app.models import LargeFile, Repo, RepoFile
from models_app.storage.errors import StorageError
from models_app.storage.lfs import Pointer, is_lfs_oid
from models_app.storage.streams import Body, read_pieces
from models_app.storage.xet.chunking import Chunker
from models_app.storage.xet.hashing import Node, chunk_hash, file_hash, hash_to_text, xorb_hash
from models_app.storage.xet.xorb import MAX_CHUNKS, MAX_CONTENT_BYTES, StoredChunk, encode_chunk

# Collection looks at days; not every question needs to be written down.
_RENEW_GRAIN = timedelta(days=1)


class BadObject(StorageError):
    """An LFS object that cannot be: malformed id, negative or excessive size."""


class MissingObject(StorageError):
    """The repo has no such object."""


def check_pointer(pointer: Pointer) -> None:
    """BadObject unless the id is 64 lower-case hex digits and the size within this hub's limit."""
    if not is_lfs_oid(pointer.sha256):
        raise BadObject("An object id must be 64 lower-case hex digits of a SHA-256.")
    if not 0 <= pointer.size <= settings.HUB_MAX_FILE_BYTES:
        limit = settings.HUB_MAX_FILE_BYTES
        raise BadObject(f"An object has 0 to {limit} bytes on this hub; this one announces {pointer.size}.")


def held_objects(
    repo: Repo, pointers: Sequence[Pointer], *, contributor: Actor | None = None
) -> set[Pointer]:
    """Those of the pointers whose content this repo has; what other repos hold must not show.

    A contributor, who may not write to the repo, is told of what they sent themself only.
    """
    wanted = [pointer.sha256 for pointer in pointers if is_lfs_oid(pointer.sha256)]
    if contributor is not None:
        wanted = list(contributed(contributor, repo, wanted))
    rows = LargeFile.objects.filter(sha256__in=wanted, repo_files__repo=repo)
    held = {Pointer(sha256, size) for sha256, size in rows.values_list("sha256", "size")}
    return held.intersection(pointers)


def renew_objects(repo: Repo, pointers: Iterable[Pointer]) -> None:
    """Begin the time anew until a commit names these: their sender has been told that they are here."""
    now = timezone.now()
    for batch in batches([pointer.sha256 for pointer in pointers]):
        rows = RepoFile.objects.filter(
            repo=repo, file__sha256__in=batch, first_seen_at__lt=now - _RENEW_GRAIN
        )
        if rows.exists():
            rows.update(first_seen_at=now)


def store_lfs_object(actor: Actor, *, repo: Repo, pointer: Pointer, body: Body) -> bool:
    """Take an object of `pointer.size` bytes from `body` into `repo`; True when the hub had not seen it.

    The bytes wait in temporary xorbs until their SHA-256 is known to be right. Raises BadObject,
    BodyCutShort or ContentMismatch, and then keeps nothing.
    """
    if actor.user is None:
        raise LoginRequired("Uploading needs a signed-in user.")
    check_pointer(pointer)
    with ExitStack() as stack:
        spool = _Spool(stack)
        digest, chunker = hashlib.sha256(), Chunker()
        for piece in read_pieces(body, pointer.size):
            digest.update(piece)
            spool.add(chunker.feed(piece))
        spool.add(chunker.finish())
        spool.close()
        if digest.hexdigest() != pointer.sha256:
            raise ContentMismatch(f"The bytes have SHA-256 {digest.hexdigest()}, not {pointer.sha256}.")
        for xorb in spool.xorbs:
            with xorb.reopened() as file:
                keep_xorb(file, xorb.name(), xorb.chunks)
    nodes = spool.nodes
    terms = locate(nodes, find_chunks(raw for raw, _ in nodes))
    new = NewFile(pointer.sha256, hash_to_text(file_hash(nodes)), pointer.size, terms)
    count = keep_files(repo, [new])
    note_contribution(actor, repo, [new.sha256])
    return count == 1


def verify_lfs_object(actor: Actor, *, repo: Repo, pointer: Pointer) -> None:
    """MissingObject unless the repo has the object with this very size."""
    check_pointer(pointer)
    if not held_objects(repo, [pointer]):
        raise MissingObject(f"Object {pointer.sha256} of {pointer.size} bytes was not uploaded to this repo.")


class _Xorb:
    """A xorb being written to a temporary file, from chunks cut here."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.chunks: list[StoredChunk] = []
        self.stored = 0
        self.content = 0

    def has_room(self, length: int) -> bool:
        return len(self.chunks) < MAX_CHUNKS and self.content + length <= MAX_CONTENT_BYTES

    def add(self, raw: bytes, content: bytes) -> None:
        encoded = encode_chunk(content)
        self._file.write(encoded)
        self.chunks.append(StoredChunk(raw, self.stored, len(encoded), len(content)))
        self.stored += len(encoded)
        self.content += len(content)

    def close(self) -> None:
        """Let the descriptor go: a large object has more xorbs than a process may have files open."""
        self._file.close()

    def reopened(self) -> BinaryIO:
        return open(self._file.name, "r+b")

    def name(self) -> str:
        return hash_to_text(xorb_hash([(chunk.hash, chunk.length) for chunk in self.chunks]))


class _Spool:
    """The chunks of one object in order, and as many temporary xorbs as they need."""

    def __init__(self, stack: ExitStack) -> None:
        self.nodes: list[Node] = []
        self.xorbs: list[_Xorb] = []
        self._stack = stack
        self._seen: set[bytes] = set()

    def add(self, contents: Iterator[bytes]) -> None:
        for content in contents:
            raw = chunk_hash(content)
            self.nodes.append((raw, len(content)))
            if raw not in self._seen:
                self._seen.add(raw)
                self._room_for(len(content)).add(raw, content)

    def close(self) -> None:
        if self.xorbs:
            self.xorbs[-1].close()

    def _room_for(self, length: int) -> _Xorb:
        if not self.xorbs or not self.xorbs[-1].has_room(length):
            self.close()
            self.xorbs.append(_Xorb(self._stack.enter_context(xorb_store().incoming())))
        return self.xorbs[-1]
