"""What an upload may leave out: the chunks of files that the uploader may read, wherever on the hub they
are."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from blake3 import blake3
from django.utils.crypto import salted_hmac

from accounts.actor import Actor
from models_app.actions.content import touch_xorbs
from models_app.files import xorb_store
from models_app.large_files import Place, latest_files, readable_by
from models_app.models import Chunk, FileTerm, Xorb
from models_app.storage.xet.hashing import hash_from_text, hash_to_text
from models_app.storage.xet.lookup import LookupXorb, keyed, lookup_shard
from models_app.storage.xet.xorb import unpack_table

# A look-up tells of about this many chunks, of 64 KiB each on the average; clients ask again further on.
MAX_CHUNKS_TOLD = 100_000
MAX_CHUNKS_HINTED = 20_000
MAX_FILES_HINTED = 8
_HINTED_BYTES = 1024**2
# Collection keeps xorbs longer than this after the touch below, so what is told stays true as long as it is
# kept.
_VALID_DAYS = 3
_DAY = 86_400
_SALT = "tuneyard.dedup"

_ChunkRange = tuple[int, int]


def lookup_of_chunk(actor: Actor, *, place: Place, chunk: bytes) -> bytes | None:
    """A shard of the xorbs that a readable file with this chunk is made of; None where there is no such file.

    What is told is what the actor could read: the presence of chunks of other files in the same xorbs is
    hidden, their places filled with noise. Hashes are keyed, so that the answer proves possession of nothing.
    Marks the xorbs as used.
    """
    term = _readable_term(actor, place, chunk)
    return _shard(_containers_from(term), MAX_CHUNKS_TOLD) if term else None


def lookup_of_latest(actor: Actor, *, place: Place) -> bytes | None:
    """The same of what was uploaded last to this place and to the actor's own namespaces; None for nothing.

    For an upload whose first chunk is unknown: clients ask about one chunk in a thousand, so a checkpoint
    that differs from the last one in its header only would be sent for the most part.
    """
    ranges: dict[str, list[_ChunkRange]] = {}
    for file in latest_files(actor, place, least=_HINTED_BYTES)[:MAX_FILES_HINTED]:
        terms = FileTerm.objects.filter(file=file).order_by("index")
        for container, start, end in terms.values_list("xorb_id", "chunk_start", "chunk_end"):
            ranges.setdefault(container, []).append((start, end))
    return _shard(list(ranges.items()), MAX_CHUNKS_HINTED)


def _shard(containers: Sequence[tuple[str, Sequence[_ChunkRange]]], limit: int) -> bytes | None:
    """The containers' tables, as far as the ranges show them, until about `limit` chunks are told."""
    key = _secret("key")
    told: list[LookupXorb] = []
    for container, ranges in containers:
        if sum(len(table.chunks) for table in told) >= limit:
            break
        table = _told_table(container, ranges, key)
        if table.chunks:
            told.append(table)
    if not told:
        return None
    if touch_xorbs([hash_to_text(xorb.hash) for xorb in told]) < len(told):
        return None  # one of them was collected just now
    # By whole days, so that equal questions get equal bytes, which clients keep once.
    today = int(time.time()) // _DAY * _DAY
    return lookup_shard(told, key=key, made_at=today, expires_at=today + _VALID_DAYS * _DAY)


def _readable_term(actor: Actor, place: Place, chunk: bytes) -> FileTerm | None:
    found = Chunk.objects.filter(hash=chunk).values_list("xorb_id", "position").first()
    if found is None:
        return None
    container, position = found
    terms = FileTerm.objects.filter(xorb=container, chunk_start__lte=position, chunk_end__gt=position)
    return terms.filter(readable_by(actor, place, "file_id")).order_by("pk").first()


def _containers_from(term: FileTerm) -> list[tuple[str, list[_ChunkRange]]]:
    """The containers of the term's file with the file's ranges of chunks in each, those after the term
    first."""
    rows = FileTerm.objects.filter(file=term.file_id).order_by("index")
    terms = list(rows.values_list("index", "xorb_id", "chunk_start", "chunk_end"))
    terms.sort(key=lambda row: (row[0] < term.index, row[0]))
    ranges: dict[str, list[_ChunkRange]] = {}
    for _index, container, start, end in terms:
        ranges.setdefault(container, []).append((start, end))
    return list(ranges.items())


def _told_table(container: str, ranges: Sequence[_ChunkRange], key: bytes) -> LookupXorb:
    """The table clients know the container by, with every chunk outside the ranges hidden; empty for one that
    is withdrawn from them."""
    placed = Chunk.objects.filter(xorb=container).values_list("hash", "position")
    positions = {position for start, end in ranges for position in range(start, end)}
    shown = {bytes(raw) for raw, position in placed if position in positions}
    packed = Xorb.objects.values_list("chunk_table", flat=True).filter(pk=container).first() or b""
    chunks = [
        (keyed(raw, key), length) if raw in shown else (noise, 0)
        for (raw, length), noise in zip(unpack_table(packed), _noise(container), strict=False)
    ]
    return LookupXorb(hash_from_text(container), chunks)


def _noise(container: str) -> Iterator[bytes]:
    """Hashes of nothing, always the same for the same place."""
    secret, number = _secret("noise"), 0
    while True:
        yield blake3(f"{container} {number}".encode(), key=secret).digest()
        number += 1


def _secret(purpose: str) -> bytes:
    """32 bytes that only this hub can derive, of this store."""
    told = f"{purpose} {xorb_store().generation()}"
    return salted_hmac(_SALT, told, algorithm="sha256").digest()
