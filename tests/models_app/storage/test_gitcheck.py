from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pygit2
import pytest

from models_app.storage import gitcheck
from models_app.storage.gitcheck import inspect
from models_app.storage.gitstore import GitStore

LIMIT = 1000


@pytest.fixture
def store(tmp_path: Path) -> GitStore:
    made = GitStore(tmp_path / "repo.git")
    made.init()
    return made


def tree(store: GitStore, *entries: tuple[str, pygit2.Oid, int]) -> pygit2.Oid:
    """A tree exactly as told, whatever git would think of it."""
    data = b"".join(b"%o %s\0%s" % (mode, name.encode(), oid.raw) for name, oid, mode in entries)
    return store.repository.odb.write(int(pygit2.enums.ObjectType.TREE), data)


def commit(store: GitStore, root: pygit2.Oid, *, when: int = 1, extra: bytes = b"") -> str:
    who = b"x <x@example.org> %d +0000" % when
    data = b"tree %s\nauthor %s\ncommitter %s\n%s\nm\xe9\n" % (str(root).encode(), who, who, extra)
    return str(store.repository.odb.write(int(pygit2.enums.ObjectType.COMMIT), data))


def blob(store: GitStore, data: bytes = b"x") -> pygit2.Oid:
    return store.repository.create_blob(data)


def all_objects(store: GitStore, tip: str) -> Iterator[tuple[str, str]]:
    done = subprocess.run(
        ["git", f"--git-dir={store.path}", "rev-list", "--objects", tip],
        capture_output=True,
        text=True,
        errors="replace",
        check=True,
    )
    for line in done.stdout.splitlines():
        oid, _, path = line.partition(" ")
        yield oid, path


def refused(store: GitStore, tip: str) -> list[str]:
    return inspect(store, all_objects(store, tip), LIMIT).refused


def test_a_handful_of_trees_cannot_stand_for_billions_of_files(store: GitStore) -> None:
    oid = tree(store, *((f"f{n}", blob(store), 0o100644) for n in range(10)))
    for _ in range(9):
        oid = tree(store, *((f"d{n}", oid, 0o040000) for n in range(10)))
    (sentence,) = refused(store, commit(store, oid))
    assert "10000000000 files" in sentence


def test_folders_have_a_depth_and_paths_a_length(store: GitStore) -> None:
    deep = tree(store, ("f", blob(store), 0o100644))
    for _ in range(2000):
        deep = tree(store, ("d", deep, 0o040000))
    assert "more than 128" in refused(store, commit(store, deep))[0]
    long = tree(store, ("f" * 200, blob(store), 0o100644))
    for _ in range(20):
        long = tree(store, ("d" * 200, long, 0o040000))
    assert "longer than 4096 bytes" in refused(store, commit(store, long))[0]


def test_a_folder_seen_first_near_the_top_is_still_too_deep_further_down(store: GitStore) -> None:
    folder = tree(store, ("f", blob(store), 0o100644))
    for _ in range(70):
        folder = tree(store, ("d", folder, 0o040000))
    nested = folder
    for _ in range(70):
        nested = tree(store, ("e", nested, 0o040000))
    assert refused(store, commit(store, tree(store, ("a", folder, 0o040000)))) == []
    both = tree(store, ("a", folder, 0o040000), ("b", nested, 0o040000))
    assert "more than 128" in refused(store, commit(store, both))[0]


@pytest.mark.parametrize(
    "name", [".git", ".GIT ", "git~1", "..", "a\\.git\\b", "a\x01b", "\u200c.git", "a" * 256]
)
def test_names_are_those_that_a_commit_may_use(store: GitStore, name: str) -> None:
    folder = tree(store, (name, blob(store), 0o100644))
    (sentence,) = refused(store, commit(store, tree(store, ("d", folder, 0o040000))))
    assert sentence.startswith("In d/: ")


def test_a_name_that_is_no_text_is_refused(store: GitStore) -> None:
    data = b"100644 caf\xe9\0" + blob(store).raw
    root = store.repository.odb.write(int(pygit2.enums.ObjectType.TREE), data)
    assert "not valid UTF-8" in refused(store, commit(store, root))[0]


def test_modes_are_those_of_files_and_folders(store: GitStore) -> None:
    root = tree(
        store,
        ("link", blob(store), 0o120000),
        ("module", blob(store), 0o160000),
        ("odd", blob(store), 0o100600),
        ("run", blob(store), 0o100755),
    )
    told = inspect(store, [(commit(store, root), "")], LIMIT).refused
    assert [sentence.split(":")[0] for sentence in told] == ["link", "module", "odd"]


def test_commits_must_be_readable_by_everybody(store: GitStore) -> None:
    root = tree(store, ("f", blob(store), 0o100644))
    for extra in (b"encoding bogus\n", b"encoding utf-8\n", b"encoding hex\n"):
        assert "encoding" in refused(store, commit(store, root, extra=extra))[0]
    assert refused(store, commit(store, root, extra=b"encoding ISO-8859-1\n")) == []
    assert refused(store, commit(store, root)) == []
    assert "9998" in refused(store, commit(store, root, when=2**60))[0]


def test_large_files_and_pointers_are_found_wherever_they_lie(
    store: GitStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 5\n".encode()
    folder = tree(
        store, ("p.bin", blob(store, pointer), 0o100644), ("w.bin", blob(store, b"w" * 1001), 0o100644)
    )
    tip = commit(store, tree(store, ("d", folder, 0o040000)))
    found = inspect(store, all_objects(store, tip), LIMIT)
    assert found.too_large == ["d/w.bin"]
    assert [(pointer.size, path) for pointer, path in found.pointers.items()] == [(5, "d/p.bin")]
    monkeypatch.setattr(gitcheck, "MAX_TREE_FILES", 1)
    assert "2 files" in refused(store, tip)[0]
    monkeypatch.setattr(gitcheck, "MAX_TREE_BYTES", 30)
    assert "longer than 30 bytes" in refused(store, tip)[0]
