"""The git store against git itself: what is written here, git reads, and the reverse."""

from __future__ import annotations

import subprocess
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models_app.storage.errors import (
    BadPath,
    BadRefName,
    EntryNotFound,
    FileTooLarge,
    PathConflict,
    RefExists,
    RevisionNotFound,
    StaleParent,
)
from models_app.storage.gitcommit import Author, create_ref, create_tag, delete_ref, write_commit
from models_app.storage.gitstore import GitStore
from models_app.storage.operations import (
    AddFile,
    AddPointer,
    DeleteEntry,
    DeleteFile,
    DeleteFolder,
    Operation,
    check_path,
)

ALICE = Author("alice", "alice@example.org", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
SHA = "ab" * 32


@pytest.fixture
def store(tmp_path: Path) -> GitStore:
    made = GitStore(tmp_path / "r.git")
    made.init()
    return made


def commit(store: GitStore, *operations: Operation, message: str = "Change", parent: str | None = "") -> str:
    base = store.ref_oid("refs/heads/main") if parent == "" else parent
    return write_commit(
        store, branch="main", operations=operations, parent=base, author=ALICE, message=message
    )


def git(store: GitStore, *words: str) -> str:
    return subprocess.run(
        ["git", "-c", "safe.directory=*", *words], cwd=store.path, check=True, capture_output=True, text=True
    ).stdout


def paths(store: GitStore, oid: str) -> list[str]:
    return [entry.path for entry in store.files(oid)]


def test_git_accepts_the_layout_and_reads_the_commit(store: GitStore) -> None:
    oid = commit(store, AddFile("README.md", b"# hi\n"), AddFile("a/b/c.txt", b"x"), message="First\n\nBody")
    assert "error" not in git(store, "fsck", "--strict")
    assert git(store, "show", "main:a/b/c.txt") == "x"
    assert git(store, "log", "--format=%H %an <%ae> %ct %s|%b", "main").strip() == (
        f"{oid} alice <alice@example.org> 1767323045 First|Body"
    )


def test_an_empty_repository_is_small(store: GitStore) -> None:
    commit(store, AddFile(".gitattributes", b"*.bin filter=lfs\n" * 40))
    files = [path for path in store.path.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 40_000
    assert not (store.path / "hooks").exists()


def test_tree_lists_folders_and_pointers_with_real_sizes(store: GitStore) -> None:
    oid = commit(store, AddPointer("w/model.safetensors", SHA, 98_000_000), AddFile("w/x.txt", b"12"))
    listed = [
        (entry.type, entry.path, entry.size, entry.etag == SHA) for entry in store.tree(oid, recursive=True)
    ]
    assert listed == [
        ("directory", "w", 0, False),
        ("file", "w/model.safetensors", 98_000_000, True),
        ("file", "w/x.txt", 2, False),
    ]
    assert [entry.path for entry in store.tree(oid, "w")] == ["w/model.safetensors", "w/x.txt"]
    with pytest.raises(EntryNotFound):
        list(store.tree(oid, "w/x.txt"))
    with pytest.raises(EntryNotFound):
        list(store.tree(oid, "nope"))


def test_read_is_bounded(store: GitStore) -> None:
    commit(store, AddFile("f", b"12345"))
    assert store.read("main", "f", 5) == b"12345"
    with pytest.raises(FileTooLarge):
        store.read("main", "f", 4)


def test_revisions_resolve_by_branch_tag_reference_and_prefix(store: GitStore) -> None:
    first = commit(store, AddFile("f", b"1"))
    create_tag(store, "v1", first, author=ALICE, message="Release")
    create_ref(store, "refs/heads/feat/x", first)
    second = commit(store, AddFile("f", b"2"))
    assert store.resolve("main") == second == store.resolve("HEAD") == store.resolve("refs/heads/main")
    assert store.resolve("v1") == store.resolve("feat/x") == first == store.resolve(first[:5])
    for missing in ("nope", "", "a b", "..", "0" * 40, first[:4], "refs/heads/../../config", "main\x00"):
        with pytest.raises(RevisionNotFound):
            store.resolve(missing)


def test_an_oid_that_is_no_commit_is_no_revision(store: GitStore) -> None:
    oid = commit(store, AddFile("f", b"1"))
    entry = store.entry(oid, "f")
    assert entry is not None
    with pytest.raises(RevisionNotFound):
        store.resolve(entry.oid)


def test_operations_apply_in_order(store: GitStore) -> None:
    commit(store, AddFile("a/1", b"1"), AddFile("a/2", b"2"), AddFile("b", b"b"))
    oid = commit(
        store,
        DeleteFolder("a/"),
        AddFile("a", b"now a file"),
        AddFile("c/new", b"1"),
        DeleteEntry("b"),
    )
    assert paths(store, oid) == ["a", "c/new"]
    assert store.read(oid, "c/new", 10) == b"1"


def test_deleting_the_last_file_of_a_folder_removes_the_folder(store: GitStore) -> None:
    commit(store, AddFile("a/b/c", b"1"), AddFile("keep", b""))
    oid = commit(store, DeleteFile("a/b/c"))
    assert [entry.path for entry in store.tree(oid, recursive=True)] == ["keep"]


@pytest.mark.parametrize(
    "operation", [DeleteFile("nope"), DeleteFile("a"), DeleteFolder("f"), DeleteFolder("x/y")]
)
def test_deleting_what_is_not_there_changes_nothing(store: GitStore, operation: Operation) -> None:
    before = commit(store, AddFile("a/1", b"1"), AddFile("f", b"1"))
    with pytest.raises(EntryNotFound, match="with this name doesn't exist"):
        commit(store, AddFile("other", b"1"), operation)
    assert store.resolve("main") == before


def test_a_file_in_the_way_of_a_folder_is_a_conflict(store: GitStore) -> None:
    commit(store, AddFile("a", b"1"), AddFile("d/e", b"1"))
    with pytest.raises(PathConflict, match="a is a file"):
        commit(store, AddFile("a/b", b"1"))
    with pytest.raises(PathConflict, match="it is a folder"):
        commit(store, AddFile("d", b"1"))


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "../x", "a/../b", "a//b", "./a", "a\\.git\\b", "a\nb", "a\x00b", ".git/config",
     "a/.GIT/x", ".git ", ".Git.", "git~1", ".g\u200cit", "x" * 256, "/".join(["y" * 200] * 21), "a/",
     "\ud800", ".git::$INDEX_ALLOCATION"],
)  # fmt: skip
def test_paths_that_no_repository_may_hold(path: str) -> None:
    with pytest.raises(BadPath):
        check_path(path)


@pytest.mark.parametrize("path", ["a", ".gitattributes", "dir/a #?%b é.txt", ".github/x", "x" * 255, "a.git"])
def test_ordinary_paths_pass(path: str) -> None:
    assert check_path(path) == path


def test_a_stale_parent_is_refused(store: GitStore) -> None:
    first = commit(store, AddFile("f", b"1"))
    second = commit(store, AddFile("f", b"2"))
    with pytest.raises(StaleParent):
        commit(store, AddFile("f", b"3"), parent=first)
    assert store.resolve("main") == second


def test_of_racing_commits_on_one_parent_exactly_one_wins(store: GitStore) -> None:
    base = commit(store, AddFile("f", b"0"))
    outcomes: list[str] = []

    def race(number: int) -> None:
        mine = GitStore(store.path)
        try:
            commit(mine, AddFile(f"f{number}", b"x"), parent=base)
            outcomes.append("won")
        except StaleParent:
            outcomes.append("stale")

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["stale"] * 7 + ["won"]
    assert store.count_commits(store.resolve("main")) == 2


def test_references_are_made_once_and_deleted_once(store: GitStore) -> None:
    oid = commit(store, AddFile("f", b"1"))
    create_ref(store, "refs/heads/dev", oid)
    with pytest.raises(RefExists, match="Reference refs/heads/dev already exists"):
        create_ref(store, "refs/heads/dev", oid)
    with pytest.raises(BadRefName):
        create_ref(store, "refs/heads/dev/sub", oid)
    with pytest.raises(BadRefName):
        create_tag(store, "a b", oid, author=ALICE, message="x")
    create_tag(store, "v1", oid, author=ALICE, message="x")
    with pytest.raises(RefExists):
        create_tag(store, "v1", oid, author=ALICE, message="x")
    branches, tags = store.refs()
    assert [ref.name for ref in branches] == ["dev", "main"]
    assert [(ref.name, ref.oid) for ref in tags] == [("v1", oid)]
    delete_ref(store, "refs/heads/dev")
    with pytest.raises(RevisionNotFound):
        delete_ref(store, "refs/heads/dev")


def test_history_and_the_last_commit_of_each_path(store: GitStore) -> None:
    first = commit(store, AddFile("a/x", b"1"), AddFile("top", b"1"), message="one")
    second = commit(store, AddFile("a/y", b"1"), message="two\n\nwhy")
    third = commit(store, AddFile("top", b"2"), message="three")
    assert [entry.oid for entry in store.history(third)] == [third, second, first]
    assert [entry.title for entry in store.history(third, skip=1, limit=1)] == ["two"]
    assert store.commit(second).message == "why"
    assert store.commit(second).date == ALICE.at
    last = store.last_commits(third, ["a", "top", "a/x", "a/y"])
    assert {path: found.oid for path, found in last.items()} == {
        "a": second, "top": third, "a/x": first, "a/y": second,
    }  # fmt: skip


def test_an_executable_stays_executable(store: GitStore, tmp_path: Path) -> None:
    commit(store, AddFile("run.sh", b"1"))
    git(store, "update-ref", "refs/heads/other", "main")
    tree = git(store, "ls-tree", "main").replace("100644", "100755")
    run = {"cwd": store.path, "check": True, "capture_output": True, "text": True}
    made = subprocess.run(["git", "mktree"], input=tree, **run).stdout.strip()
    new = git(store, "-c", "user.name=x", "-c", "user.email=x", "commit-tree", made, "-m", "x").strip()
    git(store, "update-ref", "refs/heads/main", new)
    commit(GitStore(store.path), AddFile("run.sh", b"2"))
    assert git(store, "ls-tree", "main").startswith("100755")
