"""Rewriting history, checked by git itself."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pygit2
import pytest
from pygit2.enums import ObjectType

from models_app.storage import gitcompare
from models_app.storage.errors import StaleParent
from models_app.storage.gitcommit import Author, create_ref, create_tag, write_commit
from models_app.storage.gitcompare import diff_text
from models_app.storage.gitcopy import CopyFailed, copy_refs
from models_app.storage.gitlfs import all_refs, sightings
from models_app.storage.gitmerge import merge_base
from models_app.storage.gitrewrite import retarget, squashed, without_files
from models_app.storage.gitstore import GitStore
from models_app.storage.operations import AddFile, AddPointer, DeleteFile, Operation

ALICE = Author("alice", "alice@example.org", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
BOB = Author("bob", "bob@example.org", datetime(2026, 1, 3, tzinfo=UTC))
ONE, TWO, THREE = "1" * 64, "2" * 64, "3" * 64


@pytest.fixture
def store(tmp_path: Path) -> GitStore:
    made = GitStore(tmp_path / "r.git")
    made.init()
    return made


def commit(
    store: GitStore,
    *operations: Operation,
    branch: str = "main",
    author: Author = ALICE,
    message: str = "Change",
) -> str:
    parent = store.ref_oid(f"refs/heads/{branch}")
    return write_commit(
        store, branch=branch, operations=operations, parent=parent, author=author, message=message
    )


def git(store: GitStore, *words: str) -> str:
    done = subprocess.run(
        ["git", "-c", "safe.directory=*", *words], cwd=store.path, check=True, capture_output=True, text=True
    )
    return done.stdout


@pytest.fixture
def tree(store: GitStore) -> GitStore:
    """main: two large files, one of them deleted again; dev: a third; an annotated and a light tag."""
    commit(store, AddFile("a.txt", b"a"), AddPointer("deep/er/one.bin", ONE, 10), message="First\n\nBody")
    commit(store, AddPointer("two.bin", TWO, 20), author=BOB)
    create_tag(store, "v1", store.resolve("main"), author=ALICE, message="Release one")
    create_ref(store, "refs/tags/light", store.resolve("main"))
    commit(store, DeleteFile("two.bin"), message="Gone from the tip")
    create_ref(store, "refs/heads/dev", store.resolve("main"))
    commit(store, AddPointer("three.bin", THREE, 30), branch="dev")
    return store


def test_every_large_file_is_seen_once_where_it_came_in(tree: GitStore) -> None:
    seen = sightings(tree, all_refs(tree))
    told = {sha[0]: (s.path, s.author, s.ref, s.pointer.size) for sha, s in seen.items()}
    assert told == {
        "1": ("deep/er/one.bin", "alice", "refs/heads/main", 10),
        "2": ("two.bin", "bob", "refs/heads/main", 20),
        "3": ("three.bin", "alice", "refs/heads/dev", 30),
    }


def test_files_are_gone_from_every_reference(tree: GitStore) -> None:
    log = git(tree, "log", "--all", "--format=%an %ae %ct %cn %B", "--date-order")
    for move in without_files(tree, all_refs(tree), {ONE, TWO}):
        retarget(tree, move.name, old_target=move.old_target, new_target=move.new_target)
    assert "error" not in git(tree, "fsck", "--strict", "--no-dangling")
    assert git(tree, "log", "--all", "--format=%H", "--", "two.bin", "deep") == ""
    assert git(tree, "log", "--all", "--format=%an %ae %ct %cn %B", "--date-order") == log
    assert [entry.path for entry in tree.files(tree.resolve("dev"))] == ["a.txt", "three.bin"]
    assert "Release one" in git(tree, "cat-file", "tag", "v1")
    assert tree.resolve("v1") == tree.resolve("light")
    assert set(sightings(tree, all_refs(tree))) == {THREE}


def test_references_without_the_files_do_not_move(tree: GitStore) -> None:
    moves = without_files(tree, all_refs(tree), {THREE})
    assert [move.name for move in moves] == ["refs/heads/dev"]
    assert without_files(tree, all_refs(tree), {"f" * 64}) == []


def test_a_reference_that_moved_meanwhile_is_left_alone(tree: GitStore) -> None:
    (move,) = without_files(tree, all_refs(tree), {THREE})
    newer = commit(tree, AddFile("b.txt", b"b"), branch="dev")
    with pytest.raises(StaleParent):
        retarget(tree, move.name, old_target=move.old_target, new_target=move.new_target)
    assert tree.resolve("dev") == newer


def test_a_squashed_branch_is_one_commit_with_the_same_tree(tree: GitStore) -> None:
    old = tree.resolve("dev")
    new = squashed(tree, old, author=BOB, message="One")
    retarget(tree, "refs/heads/dev", old_target=old, new_target=new)
    assert git(tree, "log", "--format=%an %s %P", "dev") == "bob One \n"
    assert git(tree, "diff", old, new) == ""


def test_a_copy_holds_what_references_lead_to_and_nothing_else(tree: GitStore, tmp_path: Path) -> None:
    hidden = commit(tree, AddFile("secret.txt", b"secret"), branch="gone")
    git(tree, "update-ref", "-d", "refs/heads/gone")
    git(tree, "update-ref", "refs/pr/1", hidden)
    copy = GitStore(tmp_path / "copy.git")
    copy.init()
    copy_refs(tree.path, copy.path)
    assert all_refs(copy) == tuple(ref for ref in all_refs(tree) if not ref[0].startswith("refs/pr/"))
    assert git(copy, "log", "--all", "--format=%H") != ""
    assert hidden not in copy.repository
    assert not (copy.path / "FETCH_HEAD").exists()
    with pytest.raises(CopyFailed):
        copy_refs(tmp_path / "nothing.git", copy.path)


def test_a_diff_is_what_git_says_and_is_cut_at_its_limits(
    tree: GitStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tree.resolve("main")
    new = commit(tree, AddFile("a.txt", b"b\n"), AddFile("long.txt", b"line\n" * 2000))
    whole = diff_text(tree, old, new).decode()
    assert "-a\n\\ No newline at end of file\n+b\n" in whole
    assert whole.count("+line\n") == 2000
    short = diff_text(tree, old, new, limit=500).decode()
    assert short.endswith("the rest is left out.\n")
    assert len(short) < 700
    monkeypatch.setattr(gitcompare, "MAX_FILES", 1)
    few = diff_text(tree, old, new).decode()
    assert "a.txt" in few
    assert "+line\n" not in few
    assert few.endswith("the rest is left out.\n")
    assert merge_base(tree, tree.resolve("dev"), new) == old
    assert isinstance(tree.repository[old], pygit2.Commit)


def test_tags_of_tags_of_tags_follow_without_recursion(tree: GitStore) -> None:
    oid = str(tree.repository.lookup_reference("refs/tags/v1").target)
    for number in range(1500):
        words = f"object {oid}\ntype tag\ntag t{number}\ntagger A <a@b.c> 1 +0000\n\nx\n"
        oid = str(tree.repository.write(ObjectType.TAG, words.encode()))
    tree.repository.references.create("refs/tags/deep", oid)
    moves = {move.name: move for move in without_files(tree, all_refs(tree), [ONE])}
    deep = tree.repository[moves["refs/tags/deep"].new_target]
    assert isinstance(deep, pygit2.Tag)
    assert str(deep.peel(pygit2.Commit).id) == moves["refs/tags/v1"].new
