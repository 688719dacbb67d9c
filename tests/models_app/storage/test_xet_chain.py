from __future__ import annotations

import errno
import hashlib
import threading
import time
from pathlib import Path

import pytest

from models_app.storage.sha256 import RunningSha256
from models_app.storage.xet import chain
from models_app.storage.xet.chain import Aside, Chains


@pytest.fixture
def chains(tmp_path: Path) -> Chains:
    chains = Chains(tmp_path / "chains")
    chains.begin("a")
    return chains


def so_far(chains: Chains, key: str = "a") -> list[str]:
    found = chains.found(key)
    return found.xorbs if found is not None else ["no chain"]


def taking(chains: Chains, xorb: str, began: threading.Event, end: threading.Event) -> threading.Thread:
    """Somebody who takes a xorb in a thread, from `began` to `end`."""

    def take() -> None:
        with chains.taking("a", xorb) as digest:
            began.set()
            end.wait(30)
            if digest is not None:
                digest.update(xorb.encode())

    thread = threading.Thread(target=take)
    thread.start()
    return thread


def test_who_comes_while_one_is_taken_waits_and_none_overtakes(
    chains: Chains, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "_PATIENCE_SECONDS", 30)
    began, end = [threading.Event() for _ in range(3)], [threading.Event() for _ in range(3)]
    first = taking(chains, "one", began[0], end[0])
    assert began[0].wait(30)
    second = taking(chains, "two", began[1], end[1])
    time.sleep(0.1)
    third = taking(chains, "three", began[2], end[2])
    time.sleep(0.1)
    assert not began[1].is_set()
    for event in end:
        event.set()
    for thread in (first, second, third):
        thread.join(30)
    assert so_far(chains) == ["one", "two", "three"]
    found = chains.found("a")
    assert found is not None
    digest = found.digest(3)
    assert digest is not None
    assert digest.hexdigest() == hashlib.sha256(b"onetwothree").hexdigest()


def test_patience_ends_and_the_chain_with_it(chains: Chains, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "_PATIENCE_SECONDS", 0.05)
    began, end = threading.Event(), threading.Event()
    first = taking(chains, "one", began, end)
    assert began.wait(30)
    with chains.taking("a", "two") as digest:
        assert digest is None
    end.set()
    first.join(30)
    with chains.taking("a", "three") as digest:
        assert digest is None
    assert so_far(chains) == ["one"]
    chains.begin("a")
    with chains.taking("a", "four") as digest:
        assert digest is not None
    assert so_far(chains) == ["four"]


def test_a_new_upload_is_not_continued_by_the_last_one(chains: Chains) -> None:
    with chains.taking("a", "old") as digest:
        assert digest is not None
        chains.begin("a")
    assert so_far(chains) == []


def test_what_fails_is_forgotten_and_may_come_again(chains: Chains) -> None:
    def cut() -> None:
        with chains.taking("a", "one") as digest:
            assert digest is not None
            digest.update(b"half")
            raise OSError("cable")

    with pytest.raises(OSError, match="cable"):
        cut()
    with chains.taking("a", "one") as digest:
        assert digest is not None
        assert digest.length == 0
    assert so_far(chains) == ["one"]


def test_a_full_disk_is_no_fault_of_an_upload(chains: Chains, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with chains.taking("a", "one") as digest:
        assert digest is not None
    monkeypatch.setattr(Path, "write_text", full)
    chains.begin("a")
    monkeypatch.setattr(chain.json, "dumps", lambda _: "x" * 100)
    with chains.taking("a", "two"):
        pass
    monkeypatch.undo()
    assert so_far(chains) == ["no chain"]  # half-written is none


def test_a_chain_is_forgotten_whole(chains: Chains) -> None:
    with chains.taking("a", "one"):
        pass
    chains.forget("a")
    chains.forget("a")
    assert so_far(chains) == ["no chain"]
    assert list(chains.root.iterdir()) == []


def test_hashing_aside_keeps_the_order_and_needs_passing_memory_no_longer() -> None:
    digest, whole = RunningSha256(), bytearray()
    with Aside(digest) as aside:
        for number in range(40):
            kept = bytes([number]) * 50_000
            passing = bytearray(kept)
            aside.hear(kept)
            aside.hear(memoryview(passing)[:100])
            passing.clear()
            aside.step()
            whole += kept + kept[:100]
    assert digest.hexdigest() == hashlib.sha256(whole).hexdigest()


def test_hashing_aside_ends_with_the_block() -> None:
    def refused() -> None:
        with Aside(RunningSha256()) as aside:
            aside.hear(bytes(1_000_000))
            aside.step()
            raise ValueError("bad chunk")

    before = threading.active_count()
    with pytest.raises(ValueError, match="bad chunk"):
        refused()
    assert threading.active_count() == before
