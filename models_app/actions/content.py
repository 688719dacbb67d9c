"""Chunks into the store, each once; files out of chunks. Shared by the Xet and the LFS road."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import BinaryIO, TypeVar

from django.db import transaction
from django.utils import timezone

from models_app.files import xorb_store
from models_app.models import Chunk, FileTerm, LargeFile, Repo, RepoFile, Xorb
from models_app.storage.errors import StorageError
from models_app.storage.xet.assemble import Term, assemble
from models_app.storage.xet.hashing import Node
from models_app.storage.xet.store import copy_ranges
from models_app.storage.xet.xorb import StoredChunk, pack_table

_Item = TypeVar("_Item")
_Place = tuple[str, int, int, int]
_BATCH = 900
# Collection looks at days; writing the time of every use would make each upload rewrite its base's rows.
_TOUCH_GRAIN = timedelta(hours=1)


class UnknownContent(StorageError):
    """A file names bytes that the hub does not hold (any more)."""


class ContentMismatch(StorageError):
    """The bytes are not what their name says."""


@dataclass(frozen=True, slots=True)
class NewFile:
    """Content proven to be what it is called; `terms` are None where the hub has the file already."""

    sha256: str
    xet_hash: str
    size: int
    terms: list[FileTerm] | None


def batches(items: Sequence[_Item], size: int = _BATCH) -> Iterator[Sequence[_Item]]:
    """Consecutive slices, small enough for one query each."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def keep_xorb(incoming: BinaryIO, name: str, chunks: Sequence[StoredChunk]) -> bool:
    """Take a checked xorb into the store, writing only the chunks that no earlier xorb brought.

    `incoming` is a temporary file of the store that begins with the chunks. False when the xorb was known.
    The bytes are durable before the row is: a crash in between leaves an orphan file and nothing else.
    """
    if touch_xorbs([name]):
        return False
    places = find_chunks(chunk.hash for chunk in chunks)
    fresh = _first_seen(chunks, places)
    with _file_of(incoming, chunks, fresh) as file, transaction.atomic():
        table = pack_table((chunk.hash, chunk.length) for chunk in chunks)
        stored = sum(chunk.stored for chunk in fresh)
        # The row decides between two uploads of one xorb; only the winner's file gets the name.
        _row, inserted = Xorb.objects.get_or_create(
            hash=name, defaults={"chunk_table": table, "stored_bytes": stored}
        )
        if inserted:
            touch_xorbs({container for container, *_ in places.values()})
            Chunk.objects.bulk_create(_chunk_rows(name, fresh), _BATCH, ignore_conflicts=True)
            if fresh:
                xorb_store().keep(file, name)
    return inserted


def find_chunks(hashes: Iterable[bytes]) -> dict[bytes, _Place]:
    """Container, position, byte offset and stored length of every one of these chunks that is stored."""
    found: dict[bytes, _Place] = {}
    for batch in batches(list(dict.fromkeys(hashes))):
        rows = Chunk.objects.filter(hash__in=batch)
        fields = ("hash", "xorb_id", "position", "offset", "stored_length")
        for raw, container, position, offset, stored in rows.values_list(*fields):
            found[bytes(raw)] = (container, position, offset, stored)
    return found


def locate(nodes: Iterable[Node], places: dict[bytes, _Place]) -> list[FileTerm]:
    """Unsaved terms of a file with these chunks: neighbours in one container share a term.

    Raises UnknownContent when a chunk has no place.
    """
    terms: list[FileTerm] = []
    offset = 0
    for raw, length in nodes:
        if raw not in places:
            raise UnknownContent("The hub does not hold every chunk of the file; please upload it again.")
        container, position, start, stored = places[raw]
        last = terms[-1] if terms else None
        if last is not None and (last.xorb_id, last.chunk_end, last.byte_end) == (container, position, start):
            last.chunk_end += 1
            last.byte_end += stored
            last.length += length
        else:
            terms.append(_term(len(terms), places[raw], offset, length))
        offset += length
    return terms


def check_sha256(terms: Sequence[FileTerm], sha256: str) -> None:
    """Stream the terms as stored; ContentMismatch unless their SHA-256 is the announced one."""
    digest = hashlib.sha256()
    size = sum(term.length for term in terms)
    parts = (Term(t.xorb_id, t.byte_start, t.byte_end, t.file_offset, t.length) for t in terms)
    for piece in assemble(xorb_store(), parts, 0, size):
        digest.update(piece)
    if digest.hexdigest() != sha256:
        raise ContentMismatch(f"The content's SHA-256 is {digest.hexdigest()}, not {sha256} as announced.")


def keep_files(repo: Repo, files: Sequence[NewFile]) -> int:
    """Give the repo the permission to refer to these files, storing the rows of those that are new.

    One transaction; returns how many files the hub had not seen before.
    """
    fresh = {file.sha256: file for file in files if file.terms is not None}
    with transaction.atomic():
        LargeFile.objects.bulk_create(
            [LargeFile(sha256=f.sha256, xet_hash=f.xet_hash, size=f.size) for f in fresh.values()],
            _BATCH,
            ignore_conflicts=True,
        )
        ids = _file_ids([file.sha256 for file in files])
        written = _keep_terms(fresh, ids)
        RepoFile.objects.bulk_create(
            [RepoFile(repo=repo, file_id=pk) for pk in ids.values()], _BATCH, ignore_conflicts=True
        )
    return written


def touch_xorbs(names: Collection[str]) -> bool:
    """Note the use of these xorbs, which keeps them from collection; whether any of them exists."""
    now = timezone.now()
    known = False
    for batch in batches(list(names)):
        rows = Xorb.objects.filter(pk__in=batch)
        known = rows.exists() or known
        rows.filter(last_used_at__lt=now - _TOUCH_GRAIN).update(last_used_at=now)
    return known


def _file_ids(sha256s: Sequence[str]) -> dict[str, int]:
    ids: dict[str, int] = {}
    for batch in batches(sha256s):
        ids.update(LargeFile.objects.filter(sha256__in=batch).values_list("sha256", "pk"))
    return ids


def _keep_terms(fresh: dict[str, NewFile], ids: dict[str, int]) -> int:
    """Write terms where there are none: a concurrent upload of the same content may have won with its own."""
    pks = [ids[sha256] for sha256 in fresh]
    taken: set[int] = set()
    for batch in batches(pks):
        taken.update(FileTerm.objects.filter(file_id__in=batch).values_list("file_id", flat=True).distinct())
    rows = []
    for sha256, file in fresh.items():
        if ids[sha256] not in taken:
            for term in file.terms or []:
                term.file_id = ids[sha256]
                rows.append(term)
    touch_xorbs({row.xorb_id for row in rows})
    FileTerm.objects.bulk_create(rows, _BATCH)
    return len(set(pks) - taken)


def _term(index: int, place: _Place, file_offset: int, length: int) -> FileTerm:
    container, position, start, stored = place
    return FileTerm(
        index=index,
        xorb_id=container,
        chunk_start=position,
        chunk_end=position + 1,
        byte_start=start,
        byte_end=start + stored,
        file_offset=file_offset,
        length=length,
    )


def _first_seen(chunks: Sequence[StoredChunk], places: Collection[bytes]) -> list[StoredChunk]:
    fresh: dict[bytes, StoredChunk] = {}
    for chunk in chunks:
        if chunk.hash not in places:
            fresh.setdefault(chunk.hash, chunk)
    return list(fresh.values())


@contextmanager
def _file_of(
    incoming: BinaryIO, chunks: Sequence[StoredChunk], fresh: Sequence[StoredChunk]
) -> Iterator[BinaryIO]:
    """A synced file of exactly the fresh chunks: the incoming one itself where nothing has to go."""
    store = xorb_store()
    if len(fresh) == len(chunks):
        incoming.truncate(sum(chunk.stored for chunk in chunks))
        store.sync(incoming)
        yield incoming
        return
    incoming.flush()
    with store.incoming() as compacted:
        copy_ranges(incoming, compacted, _joined(fresh))
        store.sync(compacted)
        yield compacted


def _joined(chunks: Iterable[StoredChunk]) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for chunk in chunks:
        if ranges and ranges[-1][1] == chunk.offset:
            ranges[-1] = (ranges[-1][0], chunk.offset + chunk.stored)
        else:
            ranges.append((chunk.offset, chunk.offset + chunk.stored))
    return ranges


def _chunk_rows(name: str, fresh: Sequence[StoredChunk]) -> Iterator[Chunk]:
    offset = 0
    for position, chunk in enumerate(fresh):
        yield Chunk(
            hash=chunk.hash,
            xorb_id=name,
            position=position,
            offset=offset,
            stored_length=chunk.stored,
            length=chunk.length,
        )
        offset += chunk.stored
