"""The newest commits of paths: many at once are found, and not kept in memory."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from models_app.storage import githistory
from models_app.storage.gitcommit import Author, write_commit
from models_app.storage.gitstore import GitStore
from models_app.storage.operations import AddFile

ALICE = Author("alice", "alice@example.org", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


def test_more_paths_than_a_page_are_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(githistory, "MAX_PATHS_REMEMBERED", 2)
    store = GitStore(tmp_path / "r.git")
    store.init()
    names = ["a", "b", "c"]
    files = [AddFile(name, name.encode()) for name in names]
    oid = write_commit(store, branch="main", operations=files, parent=None, message="Add", author=ALICE)
    before = githistory._last_commits.cache_info().currsize
    assert {found.oid for found in store.last_commits(oid, names).values()} == {oid}
    assert githistory._last_commits.cache_info().currsize == before
    assert sorted(store.last_commits(oid, names[:2])) == ["a", "b"]
    assert githistory._last_commits.cache_info().currsize == before + 1
