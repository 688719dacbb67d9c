"""What a look-up of a chunk tells: the chunks of a readable file, keyed; nothing of what lies beside them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from blake3 import blake3
from django.utils import timezone

from accounts.actor import Actor
from accounts.models import User
from models_app.actions.dedup import lookup_of_chunk, lookup_of_latest
from models_app.models import FileTerm, Xorb
from models_app.storage.xet.hashing import chunk_hash, hash_to_text
from tests.models_app.actions.xet_world import make_repo, send_shard, send_xorb, upload
from tests.models_app.storage.xet_samples import cut, make_shard

RNG = np.random.default_rng(41)


def _told(shard: bytes) -> dict[str, list[tuple[bytes, int]]]:
    """Xorb name to (keyed hash, length) of each chunk."""
    start, stop = struct.unpack_from("<2Q", shard, len(shard) - 200 + 16)
    records: Iterator[tuple[bytes, int, int, int, int]] = struct.iter_unpack(
        "<32sIIII", shard[start : stop - 48]
    )
    tables: dict[str, list[tuple[bytes, int]]] = {}
    for name, _flags, count, *_ in records:
        chunks = [next(records) for _ in range(count)]
        tables[hash_to_text(name)] = [(raw, length) for raw, _start, length, *_ in chunks]
    return tables


def _key(shard: bytes) -> bytes:
    return shard[-128:-96]


def _keyed(shard: bytes, chunks: list[bytes]) -> list[bytes]:
    return [blake3(chunk_hash(chunk), key=_key(shard)).digest() for chunk in chunks]


def test_the_whole_file_around_a_chunk_is_told(alice: User, bob: User) -> None:
    head, trunk = RNG.bytes(300_000), RNG.bytes(2_000_000)
    upload(alice, make_repo(alice, "base"), head + trunk)
    data = RNG.bytes(250_000) + trunk
    child = upload(alice, make_repo(alice, "child"), data)
    chunks = cut(data)
    containers = set(FileTerm.objects.filter(file=child).values_list("xorb", flat=True))
    assert len(containers) == 2
    shard = lookup_of_chunk(Actor(bob), place=make_repo(bob), chunk=chunk_hash(chunks[0]))
    assert shard is not None
    tables = _told(shard)
    assert set(tables) == containers
    known = {raw: length for table in tables.values() for raw, length in table if length}
    assert known == dict(zip(_keyed(shard, chunks), map(len, chunks), strict=True))


def test_what_lies_beside_a_readable_file_is_hidden(alice: User, bob: User) -> None:
    public, secret = [RNG.bytes(20_000) for _ in range(3)], [RNG.bytes(20_000) for _ in range(4)]
    xorb, _ = send_xorb(alice, [*secret[:2], *public, *secret[2:]])
    private = make_repo(alice, "private", private=True)
    for repo, chunks, start in (
        (make_repo(alice, "public"), public, 2),
        (private, secret[:2], 0),
        (private, secret[2:], 5),
    ):
        send_shard(alice, repo, make_shard(chunks, xorb, _sha256(chunks), start=start))
    theirs = make_repo(bob)
    assert lookup_of_chunk(Actor(bob), place=theirs, chunk=chunk_hash(secret[0])) is None
    shard = lookup_of_chunk(Actor(bob), place=theirs, chunk=chunk_hash(public[0]))
    assert shard is not None
    (table,) = _told(shard).values()
    assert [raw for raw, _ in table[2:5]] == _keyed(shard, public)
    hidden = [*table[:2], *table[5:]]
    assert [length for _, length in hidden] == [0] * 4
    assert not {raw for raw, _ in hidden} & set(_keyed(shard, secret))
    assert not any(chunk_hash(chunk) in shard for chunk in [*public, *secret])
    assert shard == lookup_of_chunk(Actor(bob), place=theirs, chunk=chunk_hash(public[1]))
    mine = lookup_of_chunk(Actor(alice), place=private, chunk=chunk_hash(secret[0]))
    assert mine is not None
    assert [raw for raw, _ in _told(mine)[xorb][:2]] == _keyed(mine, secret[:2])


def _sha256(chunks: list[bytes]) -> str:
    import hashlib

    return hashlib.sha256(b"".join(chunks)).hexdigest()


def test_a_xorb_that_no_file_uses_is_not_told_of(alice: User) -> None:
    chunk = RNG.bytes(30_000)
    send_xorb(alice, [chunk])
    assert lookup_of_chunk(Actor(alice), place=make_repo(alice), chunk=chunk_hash(chunk)) is None


def test_what_is_told_is_kept_for_as_long_as_clients_remember_it(alice: User) -> None:
    data = RNG.bytes(100_000)
    repo = make_repo(alice)
    upload(alice, repo, data)
    Xorb.objects.update(last_used_at=timezone.now() - timedelta(days=60))
    shard = lookup_of_chunk(Actor(alice), place=repo, chunk=chunk_hash(cut(data)[0]))
    assert shard is not None
    assert Xorb.objects.get().last_used_at > timezone.now() - timedelta(minutes=1)
    made, expires = struct.unpack("<2Q", shard[-96:-80])
    assert made <= timezone.now().timestamp() < expires <= timezone.now().timestamp() + 3 * 86_400
    Xorb.objects.update(chunk_table=b"")
    assert lookup_of_chunk(Actor(alice), place=repo, chunk=chunk_hash(cut(data)[0])) is None


def test_the_latest_files_are_a_hint_for_those_who_own_them(alice: User, bob: User) -> None:
    chunks = [RNG.bytes(100_000) for _ in range(12)]
    xorb, _ = send_xorb(alice, chunks)
    mine = make_repo(alice, "mine", private=True)
    send_shard(alice, mine, make_shard(chunks, xorb, _sha256(chunks)))
    for place in (mine, make_repo(alice, "new")):
        shard = lookup_of_latest(Actor(alice), place=place)
        assert shard is not None
        assert [raw for raw, _ in _told(shard)[xorb]] == _keyed(shard, chunks)
    assert lookup_of_latest(Actor(bob), place=make_repo(bob)) is None
