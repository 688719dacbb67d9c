"""New blobs: a few as files, many as one pack, all or none."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import pygit2
import pytest

from models_app.storage import gitprocess
from models_app.storage.errors import is_disk_full
from models_app.storage.gitpack import FEW, NewBlobs, PackRefused
from models_app.storage.gitstore import GitStore
from models_app.storage.gittidy import clutter


@pytest.fixture
def store(tmp_path: Path) -> GitStore:
    made = GitStore(tmp_path / "repo.git")
    made.init()
    return made


def some_content(count: int) -> list[bytes]:
    """Sizes around every border of the pack's own size field, compressible and not."""
    numbers = random.Random(7)
    sizes = [0, 1, 15, 16, 2047, 2048, 262_143, 262_144, 3_000_000]
    return [numbers.randbytes(size) for size in sizes] + [f"{n} ".encode() * n for n in range(count)]


def add_all(store: GitStore, contents: Iterable[bytes]) -> list[str]:
    with NewBlobs(store.repository) as blobs:
        return [blobs.add(content) for content in contents]


def test_a_few_become_files_of_their_own(store: GitStore) -> None:
    oids = add_all(store, [b"one", b"two", b"one"])
    assert oids == [str(pygit2.hash(content)) for content in (b"one", b"two", b"one")]
    assert [store.blob(oid) for oid in oids] == [b"one", b"two", b"one"]
    assert (clutter(store.path).loose, clutter(store.path).packs) == (2, 0)


def test_many_become_one_pack(store: GitStore) -> None:
    contents = some_content(FEW * 4)
    oids = add_all(store, contents + contents)
    assert oids == [str(pygit2.hash(content)) for content in contents] * 2
    assert [store.blob(oid) for oid in oids[: len(contents)]] == contents
    assert (clutter(store.path).loose, clutter(store.path).packs) == (0, 1)
    checked = gitprocess.run(store.path, "fsck", "--strict", "--full")
    assert checked.returncode == 0, checked.stderr
    assert not [path for path in store.path.iterdir() if path.name.startswith("tmp")]


def test_so_does_much_content(store: GitStore) -> None:
    contents = [random.Random(n).randbytes(3_000_000) for n in range(4)]
    oids = add_all(store, contents)
    assert [store.blob(oid) for oid in oids] == contents
    assert (clutter(store.path).loose, clutter(store.path).packs) == (0, 1)


def test_what_was_there_stays_and_may_come_again(store: GitStore) -> None:
    contents = some_content(FEW)
    assert add_all(store, contents) == add_all(store, contents)
    assert add_all(store, contents[:3]) == [str(pygit2.hash(content)) for content in contents[:3]]


@pytest.mark.parametrize("count", [3, FEW * 2])
def test_a_fault_halfway_leaves_nothing(store: GitStore, count: int) -> None:
    def broken_off() -> Iterator[bytes]:
        yield from (b"%d" % number for number in range(count))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        add_all(store, broken_off())
    assert not any(pygit2.hash(b"%d" % number) in store.repository for number in range(count))
    assert (clutter(store.path).loose, clutter(store.path).packs) == (0, 0)


@pytest.mark.parametrize("reason", ["fatal: bad object", "fatal: write error: No space left on device"])
def test_what_git_will_not_take_is_told(
    store: GitStore, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    complain = ["sh", "-c", f"echo '{reason}' >&2; exit 128"]
    monkeypatch.setattr(gitprocess, "command", lambda *words, **named: complain)
    with pytest.raises(PackRefused) as told:
        add_all(store, some_content(FEW))
    assert is_disk_full(told.value) == ("No space" in reason)
    assert clutter(store.path).packs == 0
