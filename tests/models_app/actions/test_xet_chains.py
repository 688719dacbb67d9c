"""The SHA-256 of a large file is made while its xorbs arrive; nothing rests on the guess of their order."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pytest_django import Settings

from accounts.actor import Actor
from accounts.models import User
from models_app.actions import content
from models_app.actions.content import ContentMismatch
from models_app.actions.xet import expect_files, register_shard, store_xorb
from models_app.models import LargeFile, Repo
from models_app.storage.xet import chain
from models_app.storage.xet.xorb import XorbError
from tests.models_app.actions.xet_world import content as served
from tests.models_app.actions.xet_world import make_repo
from tests.models_app.storage.xet_samples import make_long_shard, make_xorb

RNG = np.random.default_rng(77)
PARTS = [[RNG.bytes(20_000 + 7 * number) for number in range(3)] for _ in range(4)]
DATA = b"".join(chunk for part in PARTS for chunk in part)
LARGE = 10**9
DAMAGE = [
    *(
        "",
        "{",
        "[]",
        "\x00",
        '{"more": 1}',
        '{"xorbs": 3}',
        '{"states": ["AAAA"]}',
        '{"xorbs": [[]], "states": [""]}',
    ),
    '{"xorbs": "ab", "states": ["", ""]}',
]


@pytest.fixture
def repo(alice: User) -> Repo:
    return make_repo(alice)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes each proof read back."""
    seen: list[int] = []
    assemble = content.assemble

    def counted(store: object, terms: object, start: int, stop: int, **words: bool) -> object:
        seen.append(stop - start)
        return assemble(store, terms, start, stop, **words)  # type: ignore[arg-type]

    monkeypatch.setattr(content, "assemble", counted)
    return seen


class Sender:
    """Somebody who sends one file to one repo."""

    def __init__(self, user: User, repo: Repo) -> None:
        self.actor, self.repo = Actor(user), repo

    def expect(self, *sizes: int) -> None:
        expect_files(self.actor, self.repo, sizes)

    def send(self, number: int, meanwhile: Callable[[], None] | None = None) -> None:
        name, body = make_xorb(PARTS[number])
        stream = _Interrupted(body, meanwhile) if meanwhile else io.BytesIO(body)
        store_xorb(self.actor, hash_hex=name, body=stream, length=len(body), place=self.repo)

    def finish(self, order: tuple[int, ...] = (0, 1, 2, 3), told: str = "") -> LargeFile:
        parts = [(PARTS[number], make_xorb(PARTS[number])[0]) for number in order]
        data = b"".join(chunk for chunks, _ in parts for chunk in chunks)
        name = told or hashlib.sha256(data).hexdigest()
        shard = make_long_shard(parts, name)
        register_shard(self.actor, repo=self.repo, body=io.BytesIO(shard), length=len(shard))
        file = LargeFile.objects.get(sha256=name)
        assert served(file) == data
        return file


class _Interrupted(io.BytesIO):
    """A body in the midst of which something else happens."""

    def __init__(self, body: bytes, meanwhile: Callable[[], None]) -> None:
        super().__init__(body)
        self.meanwhile: Callable[[], None] | None = meanwhile

    def readinto1(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if self.meanwhile is not None and self.tell():
            happen, self.meanwhile = self.meanwhile, None
            happen()
        return super().readinto(memoryview(buffer)[:30_000])


@pytest.fixture
def sender(alice: User, repo: Repo) -> Sender:
    return Sender(alice, repo)


def chain_file(settings: Settings) -> Path:
    (path,) = (path for path in (Path(settings.HUB_TMP_DIR) / "chains").iterdir() if not path.suffix)
    return path


def test_nothing_is_read_back_when_the_xorbs_came_in_order(sender: Sender, read: list[int]) -> None:
    sender.expect(LARGE)
    for number in range(4):
        sender.send(number)
    sender.finish()
    assert read == [0]


def test_a_file_is_read_from_where_the_chain_ends(sender: Sender, read: list[int]) -> None:
    """The client did not send the last two again, which the hub knew."""
    for number in (2, 3):
        sender.send(number)
    sender.expect(LARGE)
    for number in (0, 1):
        sender.send(number)
    sender.finish()
    assert read == [sum(len(chunk) for part in PARTS[2:] for chunk in part)]


def test_a_false_sha256_is_refused_for_what_is_stored(sender: Sender, read: list[int]) -> None:
    sender.expect(LARGE)
    for number in range(4):
        sender.send(number)
    right = hashlib.sha256(DATA).hexdigest()
    with pytest.raises(ContentMismatch, match=f"is {right}, not {'0' * 64} as announced"):
        sender.finish(told="0" * 64)
    assert read == [0, len(DATA)]
    assert not LargeFile.objects.exists()


@pytest.mark.parametrize(
    ("order", "right"),
    [((1, 0, 2, 3), 0), ((3,), 0), ((0, 2, 1, 3), 1), ((0, 1), 2), ((0, 1, 3, 2), 2), ((0, 1, 2, 2), 3)],
)
def test_what_was_guessed_wrong_is_read_back(
    sender: Sender, read: list[int], order: tuple[int, ...], right: int
) -> None:
    sender.expect(LARGE)
    for number in range(4):
        sender.send(number)
    sender.finish(order)
    assert read == [sum(len(chunk) for number in order[right:] for chunk in PARTS[number])]


def test_one_cannot_go_back_as_far_as_one_likes(
    sender: Sender, read: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "_KEPT_STATES", 2)
    sender.expect(LARGE)
    for number in range(4):
        sender.send(number)
    sender.finish((0, 1, 2))
    sender.finish((0, 1, 3))
    assert read == [0, len(DATA) - sum(map(len, PARTS[2]))]


def test_two_at_once_end_the_chain_after_the_first(
    sender: Sender, read: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "_PATIENCE_SECONDS", 0.01)
    sender.expect(LARGE)
    sender.send(0)
    sender.send(1, meanwhile=lambda: sender.send(2))
    sender.send(3)
    sender.finish()
    assert read == [sum(len(chunk) for part in PARTS[2:] for chunk in part)]


def test_a_xorb_that_is_refused_or_sent_again_does_no_harm(sender: Sender, read: list[int]) -> None:
    sender.expect(LARGE)
    sender.send(0)
    name, _ = make_xorb(PARTS[1])
    _, other = make_xorb(PARTS[2])
    with pytest.raises(XorbError):
        store_xorb(sender.actor, hash_hex=name, body=io.BytesIO(other), length=len(other), place=sender.repo)
    for number in (1, 1, 0, 2, 3):
        sender.send(number)
    sender.finish()
    assert read == [0]


def test_people_and_repos_do_not_meet(sender: Sender, alice: User, bob: User, read: list[int]) -> None:
    elsewhere = [Sender(alice, make_repo(alice, "other")), Sender(bob, make_repo(bob, "other"))]
    for one in (sender, *elsewhere):
        one.expect(LARGE)
    for number in range(4):
        sender.send(number)
        for one in elsewhere:
            one.send(3 - number)
    sender.finish()
    assert read == [0]


@pytest.mark.parametrize("sizes", [(), (LARGE, LARGE), (1000,), (LARGE, 1000)])
def test_of_several_or_small_files_nothing_is_guessed(
    sender: Sender, read: list[int], sizes: tuple[int, ...]
) -> None:
    sender.expect(LARGE)
    sender.expect(*sizes)
    for number in range(4):
        sender.send(number)
    sender.finish()
    assert read == [len(DATA)]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_chain_is_none(sender: Sender, read: list[int], settings: Settings, damage: str) -> None:
    sender.expect(LARGE)
    for number in range(2):
        sender.send(number)
    chain_file(settings).write_text(damage)
    for number in (2, 3):
        sender.send(number)
    sender.finish()
    assert read == [len(DATA)]


def test_a_state_that_is_wrong_does_not_refuse_a_file(
    sender: Sender, read: list[int], settings: Settings
) -> None:
    sender.expect(LARGE)
    for number in range(4):
        sender.send(number)
    path = chain_file(settings)
    told = json.loads(path.read_text())
    last = bytearray(base64.b64decode(told["states"][-1]))
    last[10] ^= 1
    path.write_text(json.dumps({**told, "states": [*told["states"][:-1], base64.b64encode(last).decode()]}))
    sender.finish()
    assert read == [0, len(DATA)]


def test_chains_do_not_pile_up(sender: Sender, bob: User, settings: Settings) -> None:
    sender.expect(LARGE)
    for number in range(4):
        sender.send(number)
    sender.finish()
    assert list((Path(settings.HUB_TMP_DIR) / "chains").iterdir()) == []
    sender.expect(LARGE)
    old = chain_file(settings)
    os.utime(old, (0, 0))
    Sender(bob, make_repo(bob)).expect(LARGE)
    assert chain_file(settings) != old


def test_without_a_sha256_that_can_be_moved_files_are_read(
    sender: Sender, read: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rehashes", None)
    sender.expect(LARGE)
    for number in range(4):
        sender.send(number)
    sender.finish()
    assert read == [len(DATA)]
