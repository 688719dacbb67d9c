from __future__ import annotations

import fcntl
import os
import subprocess
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models_app.storage import gittidy
from models_app.storage.gitcommit import Author, create_ref, delete_ref, write_commit
from models_app.storage.gitstore import GitStore
from models_app.storage.gittidy import Clutter, TidyFailed, clutter, pack_refs, tidy
from models_app.storage.operations import AddFile

AUTHOR = Author("x", "x@example.org", datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def store(tmp_path: Path) -> GitStore:
    made = GitStore(tmp_path / "repo.git")
    made.init()
    return made


def grow(store: GitStore, count: int, branch: str = "main") -> str:
    oid = store.ref_oid(f"refs/heads/{branch}")
    for _ in range(count):
        name = f"f{time.monotonic_ns()}"
        oid = write_commit(
            store,
            branch=branch,
            operations=[AddFile(name, name.encode())],
            parent=oid,
            author=AUTHOR,
            message=name,
        )
    assert oid is not None
    return oid


def fsck(store: GitStore) -> str:
    done = subprocess.run(
        ["git", f"--git-dir={store.path}", "fsck", "--full", "--strict"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_many_files_become_one_pack_and_every_reader_finds_them(store: GitStore) -> None:
    tip = grow(store, 140)
    for number in range(30):
        create_ref(store, f"refs/heads/b{number}", tip)
    assert clutter(store.path) == Clutter(420, 0)
    assert clutter(store.path).is_much
    reader = GitStore(store.path)
    assert reader.count_commits(tip) == 140
    assert not pack_refs(store.path)
    assert tidy(store.path)
    assert clutter(store.path) == Clutter(0, 1)
    # Both a reader from before and a new one, which may have the old places in mind.
    for one in (reader, GitStore(store.path)):
        assert len(list(one.files(one.resolve("b29")))) == 140
        assert [entry.size for entry in one.files(tip)][:1] == [
            len(one.read(tip, next(one.files(tip)).path, 99))
        ]
    grow(store, 1)
    assert "dangling" not in fsck(store)


def test_many_references_become_one_file(store: GitStore) -> None:
    tip = grow(store, 1)
    for number in range(120):
        create_ref(store, f"refs/heads/b{number}", tip)
    assert pack_refs(store.path)
    assert [path.name for path in (store.path / "refs").rglob("*") if path.is_file()] == []
    for one in (store, GitStore(store.path)):
        assert len(one.refs()[0]) == 121
    moved = grow(store, 1)
    delete_ref(store, "refs/heads/b7")
    fresh = GitStore(store.path)
    assert (fresh.resolve("main"), len(fresh.refs()[0])) == (moved, 120)


def test_what_nothing_leads_to_is_kept_for_a_while(store: GitStore) -> None:
    grow(store, 2)
    lost = grow(store, 1, "gone")
    staged = str(store.repository.create_blob(b"about to be committed"))
    store.repository.lookup_reference("refs/heads/gone").delete()
    assert tidy(store.path)
    assert GitStore(store.path).commit(lost).oid == lost
    assert GitStore(store.path).blob(staged) == b"about to be committed"
    old = time.time() - 15 * 86_400
    for path in store.path.glob("objects/??/*"):
        os.utime(path, (old, old))
    # Written again, so young again: libgit2 renews the age of what it finds there already.
    store.repository.create_blob(b"about to be committed")
    assert tidy(store.path)
    with pytest.raises(KeyError):
        GitStore(store.path).commit(lost)
    assert GitStore(store.path).blob(staged) == b"about to be committed"


def test_commits_meanwhile_are_not_disturbed(store: GitStore) -> None:
    grow(store, 100)
    ends = threading.Event()
    done = []

    def write() -> None:
        while not ends.is_set():
            done.append(grow(GitStore(store.path), 1))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(5):
            assert tidy(store.path)
    finally:
        ends.set()
        writer.join()
    fresh = GitStore(store.path)
    assert fresh.count_commits(done[-1]) == 100 + len(done)
    assert fresh.resolve("main") == done[-1]
    fsck(store)


def test_one_at_a_time_and_none_where_there_is_nothing(store: GitStore, tmp_path: Path) -> None:
    with (store.path / "tidy.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert not tidy(store.path)
    assert not tidy(tmp_path / "nowhere.git")
    assert clutter(tmp_path / "nowhere.git") == Clutter(0, 0)


def test_a_repository_that_git_cannot_read_is_told_of(
    store: GitStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    grow(store, 1)
    for path in store.path.glob("objects/??/*"):
        path.chmod(0o600)
        path.write_bytes(b"damaged")
    with pytest.raises(TidyFailed) as caught:
        tidy(store.path)
    assert str(store.path) not in str(caught.value)
    monkeypatch.setattr(gittidy, "_SECONDS", 0.000001)
    with pytest.raises(TidyFailed, match="took more than"):
        tidy(store.path)


def test_a_pack_without_its_index_goes_after_days(store: GitStore) -> None:
    """A push was killed while it moved its objects here."""
    oid = grow(store, 2)
    folder = store.path / "objects" / "pack"
    for name, days in (("old.pack", 4), ("old.rev", 4), ("young.pack", 1)):
        file = folder / f"pack-{name}"
        file.write_bytes(b"x")
        os.utime(file, (time.time() - days * 86_400,) * 2)
    assert tidy(store.path)
    assert not list(folder.glob("pack-old.*"))
    assert (folder / "pack-young.pack").exists()
    assert len(list(folder.glob("*.idx"))) == 1
    assert GitStore(store.path).resolve("main") == oid
