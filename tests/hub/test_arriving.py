"""Bodies as they arrive: never a byte of the next request, never less taken for whole."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gunicorn.http.body import LengthReader
from gunicorn.http.unreader import SocketUnreader
from pytest_django import Settings

from accounts.actor import Actor
from accounts.models import User
from hub.arriving import ArrivingBody
from models_app.actions.xet import store_xorb
from models_app.models import Xorb
from models_app.storage.streams import BodyCutShort, read_pieces
from models_app.storage.xet.xorb import MAX_BODY_BYTES, XorbError
from tests.models_app.actions.xet_world import stored_files, temporary_files
from tests.models_app.storage.xet_samples import make_xorb

NEXT = b"GET /next HTTP/1.1\r\n\r\n"


@pytest.fixture(autouse=True)
def _own_store(settings: Settings, tmp_path: Path) -> None:
    settings.HUB_XORBS_DIR, settings.HUB_TMP_DIR = tmp_path / "xorbs", tmp_path / "tmp"


class Wire:
    """A client's end of a connection, and the body that the server makes of it."""

    def __init__(self) -> None:
        self.client, self.server = socket.socketpair()
        self.client.settimeout(5)
        self.server.settimeout(5)
        self.unreader = SocketUnreader(self.server)

    def body(self, length: int, early: bytes = b"") -> ArrivingBody:
        """A body of `length` bytes, of which gunicorn has `early` in its hands (it read on past the head)."""
        self.unreader.unread(early)
        return ArrivingBody(LengthReader(self.unreader, length))

    def send(self, data: bytes, *, hang_up: bool = False) -> None:
        self.client.sendall(data)
        if hang_up:
            self.client.close()

    def left(self) -> bytes:
        """What is there for the next request."""
        self.server.setblocking(False)
        try:
            return self.unreader.take_buffered() + self.server.recv(65_536)
        except BlockingIOError:
            return b""


@pytest.fixture
def wire() -> Iterator[Wire]:
    made = Wire()
    yield made
    made.client.close()
    made.server.close()


def whole(body: ArrivingBody, size: int = 65_536) -> bytes:
    return b"".join(iter(lambda: body.read1(size), b""))


def into(body: ArrivingBody, size: int) -> bytes:
    held = bytearray(size)
    count = body.readinto1(memoryview(held))
    return bytes(held[:count])


# --- boundaries


@pytest.mark.parametrize("size", [1, 3, 10, 11, 4096])
@pytest.mark.parametrize("take", [ArrivingBody.read1, into], ids=["read1", "readinto1"])
def test_the_body_ends_where_it_was_announced_to_end(wire: Wire, size: int, take: Any) -> None:
    wire.send(b"0123456789" + NEXT)
    body = wire.body(10)
    pieces = list(iter(lambda: take(body, size), b""))
    assert b"".join(pieces) == b"0123456789"
    assert max(map(len, pieces)) <= size
    assert take(body, size) == b""
    assert not body.failed
    assert wire.left() == NEXT


@pytest.mark.parametrize("early", [1, 9, 10])
@pytest.mark.parametrize("size", [1, 4, 4096])
@pytest.mark.parametrize("take", [ArrivingBody.read1, into], ids=["read1", "readinto1"])
def test_what_came_with_the_head_comes_first(wire: Wire, early: int, size: int, take: Any) -> None:
    data = b"0123456789"
    wire.send(data[early:])
    body = wire.body(10, data[:early])
    assert b"".join(iter(lambda: take(body, size), b"")) == data
    assert not body.failed


@pytest.mark.parametrize("size", [4, 10, 4096])
def test_the_next_request_may_lie_behind_the_early_bytes(wire: Wire, size: int) -> None:
    body = wire.body(10, b"0123456789" + NEXT)
    assert whole(body, size) == b"0123456789"
    assert wire.unreader.take_buffered() == NEXT


def test_an_empty_body_asks_nobody(wire: Wire) -> None:
    body = wire.body(0, NEXT)
    assert body.read1(10) == b""
    assert into(body, 10) == b""
    assert not body.failed
    assert wire.unreader.take_buffered() == NEXT


def test_it_can_be_read_in_every_way_by_turns(wire: Wire) -> None:
    data = bytes(range(200))
    wire.send(data + NEXT)
    body = wire.body(len(data))
    found = body.read(5) + body.read1(7) + into(body, 30) + body.readline(4) + body.read1(1) + body.read(2)
    assert found == data[: len(found)]
    assert found + whole(body) == data
    assert not body.failed


def test_a_piece_comes_as_soon_as_it_is_there(wire: Wire) -> None:
    wire.send(b"abc")
    body = wire.body(1000)
    assert body.read1(1000) == b"abc"
    wire.send(b"de")
    assert into(body, 1000) == b"de"
    assert body.reader.length == 995


# --- bodies that are too short


@pytest.mark.parametrize("take", [ArrivingBody.read1, into], ids=["read1", "readinto1"])
def test_a_client_that_hangs_up_early_leaves_a_failed_body(wire: Wire, take: Any) -> None:
    wire.send(b"01234", hang_up=True)
    body = wire.body(10)
    assert take(body, 10) == b"01234"
    assert not body.failed
    assert take(body, 10) == b""
    assert body.failed


def test_a_short_body_is_never_taken_for_whole(wire: Wire) -> None:
    wire.send(b"01234", hang_up=True)
    with pytest.raises(BodyCutShort, match="ended after 5 of 10"):
        list(read_pieces(wire.body(10), 10))


@pytest.mark.parametrize("take", [ArrivingBody.read1, into], ids=["read1", "readinto1"])
def test_a_broken_connection_fails_the_body_and_is_told(wire: Wire, take: Any) -> None:
    wire.server.settimeout(0.05)
    body = wire.body(10, b"01")
    assert take(body, 10) == b"01"
    with pytest.raises(OSError, match="timed out"):
        take(body, 10)
    assert body.failed


def test_a_broken_connection_counts_as_cut_short(wire: Wire) -> None:
    wire.server.settimeout(0.05)
    with pytest.raises(BodyCutShort):
        list(read_pieces(wire.body(10, b"01"), 10))


# --- a xorb that arrives so

RNG = np.random.default_rng(5)
NAME, XORB = make_xorb([RNG.bytes(20_000) for _ in range(6)])


def take(wire: Wire, user: User, name: str = NAME, sent: bytes = XORB, length: int | None = None) -> bool:
    """Store what the client has sent, of which the first part came with the head."""
    announced = len(XORB) if length is None else length
    wire.client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1024**2)
    wire.send(sent[100:], hang_up=True)
    return store_xorb(Actor(user), hash_hex=name, body=wire.body(announced, sent[:100]), length=announced)


def nothing_is_kept() -> bool:
    return not stored_files() and not temporary_files() and not Xorb.objects.exists()


@pytest.mark.django_db
def test_a_xorb_is_stored_as_it_arrived(wire: Wire, alice: User) -> None:
    assert take(wire, alice)
    assert stored_files() == {NAME: len(XORB)}
    assert temporary_files() == []


@pytest.mark.django_db
@pytest.mark.parametrize("lost", [1, 19_000, len(XORB) - 1])
def test_a_xorb_that_breaks_off_leaves_nothing(wire: Wire, alice: User, lost: int) -> None:
    with pytest.raises(BodyCutShort):
        take(wire, alice, sent=XORB[:-lost])
    assert nothing_is_kept()


@pytest.mark.django_db
def test_a_xorb_of_another_name_leaves_nothing(wire: Wire, alice: User) -> None:
    with pytest.raises(XorbError, match="do not add up"):
        take(wire, alice, name="0" * 64)
    assert nothing_is_kept()


@pytest.mark.django_db
def test_a_xorb_with_one_wrong_byte_leaves_nothing(wire: Wire, alice: User) -> None:
    damaged = bytearray(XORB)
    damaged[50_000] ^= 1
    with pytest.raises(XorbError, match="do not add up"):
        take(wire, alice, sent=bytes(damaged))
    assert nothing_is_kept()


@pytest.mark.django_db
def test_a_xorb_that_is_too_large_is_refused_before_it_is_read(wire: Wire, alice: User) -> None:
    body = wire.body(MAX_BODY_BYTES + 1, XORB[:100])
    with pytest.raises(XorbError, match="at most"):
        store_xorb(Actor(alice), hash_hex=NAME, body=body, length=MAX_BODY_BYTES + 1)
    assert body.reader.length == MAX_BODY_BYTES + 1
    assert nothing_is_kept()


@pytest.mark.django_db
def test_a_full_disk_leaves_nothing_and_the_next_try_works(
    wire: Wire, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("models_app.storage.xet.store.os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            take(wire, alice)
    assert nothing_is_kept()
    again = Wire()
    assert take(again, alice)
    again.server.close()
