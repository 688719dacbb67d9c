from __future__ import annotations

import errno
import hashlib
import io
import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

from accounts.actor import ANONYMOUS, Actor
from accounts.models import User
from models_app.access import LoginRequired
from models_app.actions import content
from models_app.actions.xet import store_xorb
from models_app.models import Chunk, LargeFile, Xorb
from models_app.storage.streams import BodyCutShort
from models_app.storage.xet.xorb import MAX_BODY_BYTES, XorbError
from tests.models_app.actions.xet_world import content as served
from tests.models_app.actions.xet_world import make_repo, send_shard, send_xorb, stored_files, temporary_files
from tests.models_app.storage.xet_samples import make_shard, make_xorb

RNG = np.random.default_rng(21)
CHUNKS = [RNG.bytes(20_000) for _ in range(6)]


def test_a_new_xorb_is_stored_and_the_same_again_is_not(alice: User) -> None:
    name, inserted = send_xorb(alice, CHUNKS)
    assert inserted
    assert stored_files() == {name: len(make_xorb(CHUNKS)[1])}
    assert send_xorb(alice, CHUNKS) == (name, False)
    assert Chunk.objects.count() == len(CHUNKS)
    assert temporary_files() == []


def test_of_a_xorb_with_known_chunks_only_the_new_ones_are_written(alice: User) -> None:
    send_xorb(alice, CHUNKS)
    new = [RNG.bytes(20_000), RNG.bytes(20_000)]
    name, inserted = send_xorb(alice, [CHUNKS[0], new[0], CHUNKS[1], CHUNKS[2], new[1]])
    assert inserted
    # The file is named as the xorb of what is in it, so that its name tells what lies where.
    holder, body = make_xorb(new)
    assert stored_files()[holder] == len(body)
    assert name not in stored_files()
    rows = Chunk.objects.filter(xorb=holder).order_by("position").values_list("position", "offset")
    assert list(rows) == [(0, 0), (1, 20_008)]


def test_a_xorb_of_known_chunks_takes_no_disk_at_all(alice: User) -> None:
    send_xorb(alice, CHUNKS)
    name, inserted = send_xorb(alice, CHUNKS[::-1])
    assert inserted
    assert name not in stored_files()
    assert Xorb.objects.get(pk=name).stored_bytes == 0


def test_a_chunk_that_comes_twice_in_one_xorb_is_written_once(alice: User) -> None:
    send_xorb(alice, [CHUNKS[0]] * 5)
    assert stored_files() == {make_xorb(CHUNKS[:1])[0]: 20_008}


def _refused(user: User, name: str, body: bytes, length: int | None = None) -> Exception:
    with pytest.raises((XorbError, BodyCutShort)) as caught:
        store_xorb(
            Actor(user), hash_hex=name, body=io.BytesIO(body), length=len(body) if length is None else length
        )
    assert stored_files() == {}
    assert temporary_files() == []
    assert not Xorb.objects.exists()
    return caught.value


def test_whatever_is_wrong_nothing_is_kept(alice: User) -> None:
    name, body = make_xorb(CHUNKS)
    assert "do not add up" in str(_refused(alice, "0" * 64, body))
    assert "64 lower-case hex" in str(_refused(alice, "../" + name[3:], body))
    assert "ended after" in str(_refused(alice, name, body, len(body) + 1))
    assert "middle of a chunk" in str(_refused(alice, name, body[:-1]))
    assert "at most" in str(_refused(alice, name, body, MAX_BODY_BYTES + 1))
    assert "no chunks" in str(_refused(alice, name, b""))
    damaged = bytearray(body)
    damaged[30_000] ^= 1
    assert "do not add up" in str(_refused(alice, name, bytes(damaged)))


def test_nobody_uploads_without_a_name(alice: User) -> None:
    name, body = make_xorb(CHUNKS)
    with pytest.raises(LoginRequired):
        store_xorb(ANONYMOUS, hash_hex=name, body=io.BytesIO(body), length=len(body))


def test_a_full_disk_is_said_and_leaves_nothing(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for step in ("os.fsync", "os.replace"):
        with monkeypatch.context() as patch:
            patch.setattr(f"models_app.storage.xet.store.{step}", full)
            with pytest.raises(OSError, match="No space left"):
                send_xorb(alice, CHUNKS)
        assert temporary_files() == []
        assert stored_files() == {}
        assert not Xorb.objects.exists()
    # And once there is room again, the same upload works.
    assert send_xorb(alice, CHUNKS)[1]


def test_an_orphan_file_of_a_crash_does_not_spoil_the_next_upload(alice: User) -> None:
    name, body = make_xorb(CHUNKS)
    send_xorb(alice, CHUNKS)
    Xorb.objects.all().delete()
    assert stored_files() == {name: len(body)}
    # Before the retry, another xorb brings some of the chunks: the orphan is left alone.
    send_xorb(alice, CHUNKS[:2])
    assert send_xorb(alice, CHUNKS)[1]
    assert stored_files() == {name: len(body)} | {
        make_xorb(part)[0]: len(part) * 20_008 for part in (CHUNKS[:2], CHUNKS[2:])
    }
    Xorb.objects.all().delete()
    assert send_xorb(alice, CHUNKS)[1]
    assert stored_files()[name] == len(body)


def _meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Let something happen once between an upload's look into the index and its transaction."""
    look = content.find_chunks

    def late_look(hashes: Iterable[bytes]) -> dict[bytes, Any]:
        monkeypatch.setattr(content, "find_chunks", look)
        found = look(hashes)
        happens()
        return found

    monkeypatch.setattr(content, "find_chunks", late_look)


def test_of_two_uploads_of_one_xorb_at_once_one_wins_and_both_succeed(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    _meanwhile(monkeypatch, lambda: send_xorb(alice, CHUNKS))
    name, inserted = send_xorb(alice, CHUNKS)
    assert not inserted
    assert stored_files() == {name: len(make_xorb(CHUNKS)[1])}
    assert temporary_files() == []


def test_two_uploads_that_share_a_chunk_at_once_leave_one_place_for_it(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    _meanwhile(monkeypatch, lambda: send_xorb(alice, CHUNKS[:2]))
    name, inserted = send_xorb(alice, CHUNKS)
    assert inserted
    assert Chunk.objects.count() == len(CHUNKS)
    # The late one wrote the shared chunks too; its other places must count them.
    assert list(Chunk.objects.filter(xorb=name).order_by("position").values_list("position", flat=True)) == [
        2,
        3,
        4,
        5,
    ]
    data = b"".join(CHUNKS)
    repo = make_repo(alice)
    send_shard(alice, repo, make_shard(CHUNKS, name, hashlib.sha256(data).hexdigest()))
    assert served(LargeFile.objects.get()) == data
