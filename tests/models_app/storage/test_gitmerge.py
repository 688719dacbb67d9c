"""Merges and diffs against git itself and against a model of what a three-way merge is."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from models_app.storage.gitcommit import Author, build_commit
from models_app.storage.gitdiff import MAX_FILE_BYTES, MAX_FILES, diff
from models_app.storage.gitmerge import (
    conflicts_of,
    is_ancestor,
    merge,
    merge_base,
    new_commits,
    write_merge,
)
from models_app.storage.gitstore import GitStore
from models_app.storage.operations import AddFile, AddPointer, DeleteFile, Operation

ALICE = Author("alice", "alice@example.org", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
Files = dict[str, bytes]


@pytest.fixture
def store(tmp_path: Path) -> GitStore:
    made = GitStore(tmp_path / "r.git")
    made.init()
    return made


def commit(store: GitStore, parent: str | None, *operations: Operation, message: str = "Change") -> str:
    return build_commit(store, operations=operations, parent=parent, author=ALICE, message=message)


def git(store: GitStore, *words: str) -> str:
    command = ["git", "-c", "safe.directory=*", *words]
    return subprocess.run(command, cwd=store.path, check=True, capture_output=True, text=True).stdout


def content(store: GitStore, tree: str) -> Files:
    listed = git(store, "ls-tree", "-r", tree).splitlines()
    return {line.split("\t")[1]: store.blob(line.split()[2]) for line in listed}


# --- merging


def test_both_sides_keep_their_changes(store: GitStore) -> None:
    base = commit(store, None, AddFile("a", b"1\n"), AddFile("b", b"1\n"), AddFile("gone", b""))
    ours = commit(store, base, AddFile("a", b"2\n"), AddFile("d/new", b"x"))
    theirs = commit(store, base, AddFile("b", b"2\n"), DeleteFile("gone"), AddFile("d/newer", b"y"))
    found = merge(store, ours=ours, theirs=theirs)
    assert found.conflicts == ()
    merged = {"a": b"2\n", "b": b"2\n", "d/new": b"x", "d/newer": b"y"}
    assert content(store, found.tree) == merged
    oid = write_merge(store, tree=found.tree, parents=[ours, theirs], author=ALICE, message="Merge")
    assert store.commit(oid).parents == (ours, theirs)
    assert "error" not in git(store, "fsck", "--strict")


def test_a_side_that_is_ahead_is_the_merge(store: GitStore) -> None:
    base = commit(store, None, AddFile("a", b"1"))
    ahead = commit(store, base, AddFile("a", b"2"))
    assert content(store, merge(store, ours=base, theirs=ahead).tree) == {"a": b"2"}
    assert content(store, merge(store, ours=ahead, theirs=base).tree) == {"a": b"2"}
    same = merge(store, ours=base, theirs=base)
    oid = write_merge(store, tree=same.tree, parents=[base, base], author=ALICE, message="Nothing")
    assert store.commit(oid).parents == (base,)


def test_lines_of_one_file_are_merged_and_clashes_are_named(store: GitStore) -> None:
    text = "\n".join(f"line {number}" for number in range(20))
    base = commit(store, None, AddFile("t", text.encode()), AddFile("u", b"1"))
    ours = commit(store, base, AddFile("t", text.replace("line 1\n", "one\n").encode()))
    theirs = commit(store, base, AddFile("t", text.replace("line 18", "eighteen").encode()))
    merged = content(store, merge(store, ours=ours, theirs=theirs).tree)["t"].decode()
    assert "one\n" in merged
    assert "eighteen" in merged
    clash = commit(store, base, AddFile("t", text.replace("line 1\n", "ONE\n").encode()), DeleteFile("u"))
    also = commit(store, ours, AddFile("u", b"2"))
    found = merge(store, ours=also, theirs=clash)
    assert (found.tree, found.conflicts) == ("", ("t", "u"))
    assert conflicts_of(store, ours=also, theirs=clash) == ("t", "u")


def test_two_versions_of_a_large_file_always_clash(store: GitStore) -> None:
    base = commit(store, None, AddPointer("w.bin", "aa" * 32, 100))
    ours = commit(store, base, AddPointer("w.bin", "bb" * 32, 100))
    theirs = commit(store, base, AddPointer("w.bin", "cc" * 32, 200))
    assert merge(store, ours=ours, theirs=theirs).conflicts == ("w.bin",)


def test_a_file_where_the_other_side_has_a_folder_clashes(store: GitStore) -> None:
    base = commit(store, None, AddFile("keep", b""))
    ours, theirs = commit(store, base, AddFile("x", b"file")), commit(store, base, AddFile("x/y", b"folder"))
    assert merge(store, ours=ours, theirs=theirs).conflicts


def test_rules_that_both_sides_added_are_all_kept(store: GitStore) -> None:
    rules = b"*.bin filter=lfs\n"
    base = commit(store, None, AddFile(".gitattributes", rules))
    ours = commit(store, base, AddFile(".gitattributes", rules + b"a filter=lfs\nboth filter=lfs\n"))
    theirs = commit(store, base, AddFile(".gitattributes", rules + b"b filter=lfs\nboth filter=lfs\n"))
    found = merge(store, ours=ours, theirs=theirs)
    assert found.conflicts == ()
    lines = content(store, found.tree)[".gitattributes"].decode().splitlines()
    assert lines == [f"{name} filter=lfs" for name in ("*.bin", "a", "both", "b")]


def test_unrelated_histories(store: GitStore) -> None:
    ours, theirs = commit(store, None, AddFile("a", b"1")), commit(store, None, AddFile("b", b"2"))
    assert merge_base(store, ours, theirs) is None
    assert content(store, merge(store, ours=ours, theirs=theirs).tree) == {"a": b"1", "b": b"2"}
    other = commit(store, None, AddFile("a", b"3"))
    assert merge(store, ours=ours, theirs=other).conflicts == ("a",)


def test_new_commits_are_those_that_nobody_knew(store: GitStore) -> None:
    base = commit(store, None, AddFile("a", b"1"), message="base")
    main = commit(store, base, AddFile("b", b"1"), message="on main")
    first = commit(store, base, AddFile("c", b"1"), message="first")
    second = commit(store, first, AddFile("d", b"1"), message="second")
    titles = [found.title for found in new_commits(store, second, [main], 10)]
    assert titles == ["first", "second"]
    assert [found.title for found in new_commits(store, second, [main], 1)] == ["second"]
    assert new_commits(store, base, [main], 10) == []
    assert is_ancestor(store, base, second)
    assert is_ancestor(store, base, base)
    assert not is_ancestor(store, main, second)


# --- merging, generated

_PATHS = st.sampled_from(["a", "b", "c/d", "c/e", "f"])
_LINES = st.sampled_from([b"1\n", b"2\n", b"3\n"])
_SIDES = st.dictionaries(_PATHS, _LINES, max_size=5)
_FILES = st.dictionaries(_PATHS, _LINES | st.just(b""), max_size=5)


@pytest.fixture(scope="module")
def shared() -> Iterator[GitStore]:
    with tempfile.TemporaryDirectory() as folder:
        made = GitStore(Path(folder) / "r.git")
        made.init()
        yield made


def snapshot(store: GitStore, parent: str | None, before: Files, after: Files) -> str:
    removed = [DeleteFile(path) for path in before if path not in after]
    return commit(store, parent, *removed, *(AddFile(path, data) for path, data in after.items()))


@given(base=_SIDES, ours=_SIDES, theirs=_SIDES)
@hypothesis_settings(max_examples=150)
def test_every_path_is_merged_by_the_same_rule(
    shared: GitStore, base: Files, ours: Files, theirs: Files
) -> None:
    """One-line files: where a side left a path alone the other's version counts, else both must agree."""
    root = snapshot(shared, None, {}, base)
    left, right = snapshot(shared, root, base, ours), snapshot(shared, root, base, theirs)
    expected: dict[str, bytes | None] = {}
    clashes = set()
    for path in {*base, *ours, *theirs}:
        old, one, other = base.get(path), ours.get(path), theirs.get(path)
        if one == other or other == old:
            expected[path] = one
        elif one == old:
            expected[path] = other
        else:
            clashes.add(path)
    found = merge(shared, ours=left, theirs=right)
    assert set(found.conflicts) == clashes
    assert conflicts_of(shared, ours=right, theirs=left) == found.conflicts
    if not clashes:
        assert content(shared, found.tree) == {
            path: data for path, data in expected.items() if data is not None
        }


# --- diffs


@given(before=_FILES, after=_FILES)
@hypothesis_settings(max_examples=60)
def test_a_diff_is_what_git_can_apply(shared: GitStore, before: Files, after: Files) -> None:
    old = snapshot(shared, None, {}, before)
    new = snapshot(shared, old, before, after)
    found = diff(shared, old, new)
    changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    assert {file.path for file in found.files} == changed
    assert sum(file.added for file in found.files) == sum(bool(after.get(path)) for path in changed)
    with tempfile.TemporaryDirectory() as folder:
        for path, data in before.items():
            (Path(folder) / path).parent.mkdir(parents=True, exist_ok=True)
            (Path(folder) / path).write_bytes(data)
        if found.text:
            command = ["git", "apply", "-"]
            subprocess.run(command, cwd=folder, input=found.text.encode(), check=True, capture_output=True)
        left = {
            str(path.relative_to(folder)): path.read_bytes()
            for path in Path(folder).rglob("*")
            if path.is_file()
        }
    assert left == after


def test_large_binary_and_long_files_are_named(store: GitStore) -> None:
    old = commit(store, None, AddPointer("w.bin", "aa" * 32, 1_000_000), AddFile("i.png", b"\0\1\2"))
    new = commit(
        store,
        old,
        AddPointer("w.bin", "bb" * 32, 2_000_000),
        AddFile("i.png", b"\0\1\2\3"),
        AddFile("long.txt", b"x\n" * MAX_FILE_BYTES),
        AddFile("t.txt", "grüße\n".encode()),
    )
    files = {file.path: file for file in diff(store, old, new).files}
    assert {path: file.kind for path, file in files.items()} == {
        "i.png": "binary", "long.txt": "long", "t.txt": "text", "w.bin": "large",
    }  # fmt: skip
    assert (files["w.bin"].old.size, files["w.bin"].new.size) == (1_000_000, 2_000_000)  # type: ignore[union-attr]
    assert "Binary files /dev/null and b/long.txt differ" in files["long.txt"].text
    assert "+grüße\n" in files["t.txt"].text
    assert len(diff(store, old, new).text) < 2000


def test_a_diff_of_many_files_is_cut(store: GitStore) -> None:
    old = commit(store, None, AddFile("a", b""))
    new = commit(store, old, *(AddFile(f"f{number:04}", b"x\n") for number in range(MAX_FILES + 7)))
    found = diff(store, old, new)
    assert (len(found.files), found.left_out) == (MAX_FILES, 7)
    assert found.text.endswith("# 7 more changed files are not shown.\n")
