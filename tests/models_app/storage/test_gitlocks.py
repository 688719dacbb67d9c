from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models_app.storage import gitcommit
from models_app.storage.errors import StorageError
from models_app.storage.gitcommit import Author
from models_app.storage.gitlocks import clear_stale_locks
from models_app.storage.gitstore import GitStore
from models_app.storage.operations import AddFile

AUTHOR = Author("alice", "alice@example.org", datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def store(tmp_path: Path) -> GitStore:
    store = GitStore(tmp_path / "r.git")
    store.init()
    write(store, None)
    return store


def write(store: GitStore, parent: str | None) -> str:
    return gitcommit.write_commit(
        store,
        branch="main",
        operations=[AddFile("a", os.urandom(8))],
        parent=parent,
        author=AUTHOR,
        message="m",
    )


def leave(store: GitStore, name: str, seconds: float) -> Path:
    path = store.path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (time.time() - seconds,) * 2)
    return path


def test_what_a_killed_process_locked_can_be_changed_again(store: GitStore) -> None:
    head = store.resolve("main")
    leave(store, "refs/heads/main.lock", 60)
    head = write(store, head)
    leave(store, "packed-refs.lock", 60)
    leave(store, "refs/heads/dev.lock", 60)
    gitcommit.create_ref(store, "refs/heads/dev", head)
    leave(store, "refs/heads/dev.lock", 60)
    gitcommit.delete_ref(store, "refs/heads/dev")
    leave(store, "refs/tags/v1.lock", 60)
    gitcommit.create_tag(store, "v1", head, author=AUTHOR, message="one")
    assert list(store.path.rglob("*.lock")) == []


def test_a_lock_in_use_is_respected(store: GitStore) -> None:
    head = store.resolve("main")
    lock = leave(store, "refs/heads/main.lock", 1)
    with pytest.raises(StorageError):
        write(store, head)
    assert lock.exists()


@pytest.mark.parametrize(
    "name", ["refs/heads/../../../x", "refs/heads/a\0b", "x", "", "refs/heads/" + "y" * 300]
)
def test_only_names_of_references_are_looked_at(store: GitStore, name: str) -> None:
    outside = leave(store, "../x.lock", 60)
    clear_stale_locks(store.path, name)
    assert outside.exists()
