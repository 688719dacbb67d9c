"""Chunks into the store, each once; files out of chunks. Shared by the Xet and the LFS road."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import BinaryIO, TypeVar

from django.db import connection, transaction
from django.utils import timezone

from models_app.files import xorb_store
from models_app.models import Bucket, BucketUpload, FileTerm, LargeFile, Repo, RepoFile, Xorb
from models_app.storage.errors import StorageError
from models_app.storage.sha256 import RunningSha256
from models_app.storage.streams import ahead
from models_app.storage.xet.assemble import Term, assemble
from models_app.storage.xet.hashing import Node, hash_to_text, xorb_hash
from models_app.storage.xet.store import copy_ranges
from models_app.storage.xet.xorb import StoredChunk, pack_table

_Item = TypeVar("_Item")
_Place = tuple[str, int, int, int]
_BATCH = 900
# Files up to this size are not worth a thread of their own.
SMALL_BYTES = 8 * 1024**2
# How often a xorb is tried again when what it was compared with has changed meanwhile.
_ATTEMPTS = 4
# Collection looks at days; writing the time of every use would make each upload rewrite its base's rows.
_TOUCH_GRAIN = timedelta(hours=1)

# By hand: a gigabyte has 16,000 chunks, and for each the ORM takes as long as the disk.
_SELECT_CHUNKS = (
    'SELECT hash, xorb_id, "position", "offset", stored_length FROM models_app_chunk WHERE hash IN'
)
_INSERT_CHUNK = (
    'INSERT INTO models_app_chunk (hash, xorb_id, "position", "offset", stored_length, length) '
    "VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
)


class UnknownContent(StorageError):
    """A file names bytes that the hub does not hold (any more)."""


class ContentGone(UnknownContent):
    """What was found a moment ago has been collected since; a second look decides anew."""


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
    for _ in range(_ATTEMPTS):
        if touch_xorbs([name]) and Xorb.objects.filter(pk=name).exclude(chunk_table=b"").exists():
            return False
        places = find_chunks(chunk.hash for chunk in chunks)
        fresh = _first_seen(chunks, places)
        with suppress(_Overtaken), _file_of(incoming, chunks, fresh) as file, transaction.atomic():
            return _insert_xorb(name, chunks, fresh, {container for container, *_ in places.values()}, file)
    raise UnknownContent("The xorb's chunks were moved while it arrived; please upload it again.")


class _Overtaken(Exception):
    """Between look-up and lock, another upload brought the same chunks or the collector took some away."""


def _insert_xorb(
    name: str,
    chunks: Sequence[StoredChunk],
    fresh: Sequence[StoredChunk],
    containers: Collection[str],
    file: BinaryIO,
) -> bool:
    """Write the rows, and name the file of the fresh chunks; False when another upload was faster."""
    if touch_xorbs(containers) < len(containers):
        raise _Overtaken
    # The row decides between two uploads of one xorb; only the winner's file gets a name.
    row, inserted = Xorb.objects.get_or_create(hash=name, defaults={"chunk_table": _table_of(chunks)})
    if not inserted and row.chunk_table:
        return False
    if not inserted:  # withdrawn by the collector: from now on the hub vouches for it again
        Xorb.objects.filter(pk=name).update(chunk_table=_table_of(chunks), last_used_at=timezone.now())
    if fresh:
        holder = _name_holder(fresh)
        _insert_chunks(holder, fresh)
        xorb_store().keep(file, holder)
    return True


def _name_holder(fresh: Sequence[StoredChunk]) -> str:
    """The row of the file that holds just these chunks, named as a xorb of them is.

    A file's name tells what is in it, so what clients remember of its chunks' positions stays true for ever.
    """
    name = hash_to_text(xorb_hash([(chunk.hash, chunk.length) for chunk in fresh]))
    facts = {"chunk_table": _table_of(fresh), "stored_bytes": sum(chunk.stored for chunk in fresh)}
    row, inserted = Xorb.objects.get_or_create(hash=name, defaults=facts)
    if not inserted:
        if row.chunks.exists():
            raise _Overtaken
        Xorb.objects.filter(pk=name).update(**facts, last_used_at=timezone.now())
    return name


def _table_of(chunks: Sequence[StoredChunk]) -> bytes:
    return pack_table((chunk.hash, chunk.length) for chunk in chunks)


def find_chunks(hashes: Iterable[bytes]) -> dict[bytes, _Place]:
    """Container, position, byte offset and stored length of every one of these chunks that is stored."""
    found: dict[bytes, _Place] = {}
    with connection.cursor() as cursor:
        for batch in batches(list(dict.fromkeys(hashes))):
            places = ", ".join(["%s"] * len(batch))
            cursor.execute(f"{_SELECT_CHUNKS} ({places})", batch)
            for raw, container, position, offset, stored in cursor.fetchall():
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


def check_sha256(terms: Sequence[FileTerm], sha256: str, begun: RunningSha256 | None = None) -> None:
    """Stream the terms as stored, but for what `begun` has taken of them; ContentMismatch unless their
    SHA-256 is the announced one."""
    found = sha256_of(terms, begun)
    if found != sha256 and begun is not None:
        # A file is refused for what is stored alone.
        found = sha256_of(terms)
    if found != sha256:
        raise ContentMismatch(f"The content's SHA-256 is {found}, not {sha256} as announced.")


def sha256_of(terms: Sequence[FileTerm], begun: RunningSha256 | None = None) -> str:
    """The SHA-256 of what these terms hold, in hex; reads what `begun` has not taken, of a large file while
    it is hashed."""
    digest = begun or hashlib.sha256()
    begin = begun.length if begun else 0
    size = sum(term.length for term in terms)
    parts = (Term(t.xorb_id, t.byte_start, t.byte_end, t.file_offset, t.length) for t in terms)
    is_large = size - begin > SMALL_BYTES
    pieces = assemble(xorb_store(), parts, begin, size, once=is_large)
    for piece in ahead(pieces) if is_large else pieces:
        digest.update(piece)
    return digest.hexdigest()


def keep_files(place: Repo | Bucket, files: Sequence[NewFile]) -> int:
    """Give the repo or bucket the permission to refer to these files, storing the rows of those that are new.

    One transaction; returns how many files the hub had not seen before. Raises ContentGone when the collector
    has taken what was found a moment ago: look again.
    """
    # In one order for all uploads, as their chunks are.
    fresh = {file.sha256: file for file in sorted(files, key=_name_of) if file.terms is not None}
    with transaction.atomic():
        LargeFile.objects.bulk_create(
            [LargeFile(sha256=f.sha256, xet_hash=f.xet_hash, size=f.size) for f in fresh.values()],
            _BATCH,
            ignore_conflicts=True,
        )
        ids = _file_ids(sorted({file.sha256 for file in files}))
        if any(file.sha256 not in ids for file in files):
            raise ContentGone("A file of this upload was just removed for good; please upload it again.")
        written = _keep_terms(fresh, ids)
        _permit(place, files, ids)
    return written


def _name_of(file: NewFile) -> str:
    return file.sha256


def _permit(place: Repo | Bucket, files: Sequence[NewFile], ids: dict[str, int]) -> None:
    """Given once more is given anew: the time until something refers to it begins again."""
    if isinstance(place, Bucket):
        # By the Xet hash its client uses: content stored first by a client that cut it otherwise has another.
        given = {file.xet_hash: ids[file.sha256] for file in files}
        uploads = [BucketUpload(bucket=place, xet_hash=name, file_id=pk) for name, pk in given.items()]
        BucketUpload.objects.bulk_create(
            uploads,
            _BATCH,
            update_conflicts=True,
            unique_fields=["bucket", "xet_hash"],
            update_fields=["first_seen_at"],
        )
    else:
        permit_files(place, ids.values())


def permit_files(repo: Repo, file_ids: Iterable[int]) -> None:
    """Let the repo refer to these large files; where it may already, the collector's patience begins
    again."""
    rows = [RepoFile(repo=repo, file_id=pk) for pk in sorted(file_ids)]
    RepoFile.objects.bulk_create(
        rows,
        _BATCH,
        update_conflicts=True,
        unique_fields=["repo", "file"],
        update_fields=["first_seen_at"],
    )


def touch_xorbs(names: Collection[str]) -> int:
    """Note the use of these xorbs, which keeps them from collection; how many of them exist."""
    now = timezone.now()
    known = 0
    for batch in batches(sorted(names)):
        rows = Xorb.objects.filter(pk__in=batch)
        # First the mark, then the count: what is counted can no longer be collected.
        rows.filter(last_used_at__lt=now - _TOUCH_GRAIN).update(last_used_at=now)
        known += rows.count()
    return known


def _file_ids(sha256s: Sequence[str]) -> dict[str, int]:
    ids: dict[str, int] = {}
    for batch in batches(sha256s):
        # Locked, so that the collector cannot take them before the permission is written.
        rows = LargeFile.objects.filter(sha256__in=batch).order_by("sha256").select_for_update(no_key=True)
        ids.update(rows.values_list("sha256", "pk"))
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
    containers = {row.xorb_id for row in rows}
    if touch_xorbs(containers) < len(containers):
        raise ContentGone("A part of this upload was just removed for good; please upload it again.")
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


def _insert_chunks(holder: str, fresh: Sequence[StoredChunk]) -> None:
    """Rows of the chunks that lie in `holder` one after the other, but of those that have one already."""
    rows, offset = [], 0
    for position, chunk in enumerate(fresh):
        rows.append((chunk.hash, holder, position, offset, chunk.stored, chunk.length))
        offset += chunk.stored
    # In an order that all uploads share: two with the same chunks wait for one another, never both at once.
    rows.sort()
    with connection.cursor() as cursor:
        cursor.executemany(_INSERT_CHUNK, rows)
