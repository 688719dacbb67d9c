"""Which large files the references of a repository lead to, and how each of them came in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pygit2
from pygit2.enums import ObjectType, SortMode

from models_app.storage.gitstore import GitStore
from models_app.storage.lfs import Pointer

_PREFIXES = ("refs/heads/", "refs/tags/", "refs/convert/", "refs/pr/")
Refs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Sighting:
    """A large file where history has it first: `path`, who committed it, and a reference that leads there."""

    pointer: Pointer
    path: str
    author: str
    ref: str


def all_refs(store: GitStore, default_branch: str = "main") -> Refs:
    """(full name, commit) of every branch, tag, conversion and pull request; the default branch comes first,
    so that what several references share counts as its own."""
    first = f"refs/heads/{default_branch}"
    found = [
        (name, oid)
        for name in store.repository.listall_references()
        if name.startswith(_PREFIXES) and (oid := store.ref_oid(name))
    ]
    return tuple(sorted(found, key=lambda ref: (ref[0] != first, _rank(ref[0]), ref[0])))


def _rank(name: str) -> int:
    return next(rank for rank, prefix in enumerate(_PREFIXES) if name.startswith(prefix))


def sightings(store: GitStore, refs: Refs) -> dict[str, Sighting]:
    """By sha256, every large file in the history of these references. Remembered, since commits do not
    change; callers must not change the answer."""
    return _sightings(store.path, refs)


@lru_cache(maxsize=16)
def _sightings(path: Path, refs: Refs) -> dict[str, Sighting]:
    store = GitStore(path)
    found: dict[str, Sighting] = {}
    seen: set[pygit2.Oid] = set()
    walked: list[str] = []
    for name, oid in refs:
        for commit in _new_commits(store.repository, oid, walked):
            for where, pointer in _new_pointers(store, commit.tree_id, seen):
                found.setdefault(pointer.sha256, Sighting(pointer, where, commit.author.name, name))
        walked.append(oid)
    return found


def _new_commits(repository: pygit2.Repository, oid: str, walked: list[str]) -> Iterator[pygit2.Commit]:
    """Commits of `oid` that none of the `walked` tips lead to, parents first."""
    walker = repository.walk(pygit2.Oid(hex=oid), SortMode.TOPOLOGICAL | SortMode.REVERSE)
    for tip in walked:
        walker.hide(pygit2.Oid(hex=tip))
    return iter(walker)


def _new_pointers(store: GitStore, tree: pygit2.Oid, seen: set[pygit2.Oid]) -> Iterator[tuple[str, Pointer]]:
    """Path and pointer of each blob below `tree` not `seen` before; no recursion, trees may be deep."""
    waiting = [(tree, "")]
    while waiting:
        oid, prefix = waiting.pop()
        if oid in seen:
            continue
        seen.add(oid)
        for item in store.repository[oid].peel(pygit2.Tree):
            where = f"{prefix}{item.name or ''}"
            if item.type == ObjectType.TREE:
                waiting.append((item.id, f"{where}/"))
            elif item.type == ObjectType.BLOB and item.id not in seen:
                seen.add(item.id)
                if pointer := store.pointer(str(item.id)):
                    yield where, pointer
