"""Three-way merges inside one bare repository; nothing here moves a reference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

import pygit2
from pygit2.enums import MergeFlag, SortMode

from models_app.storage.gitcommit import Author
from models_app.storage.githistory import Commit, describe
from models_app.storage.gitstore import GitStore

MAX_CONFLICTS_TOLD = 200
_ATTRIBUTES = ".gitattributes"


@dataclass(frozen=True)
class Merge:
    """`tree` is the merged tree's oid, empty when `conflicts` names files that both sides changed."""

    tree: str
    conflicts: tuple[str, ...] = ()


def merge_base(store: GitStore, first: str, second: str) -> str | None:
    """The newest commit that both histories share; None for unrelated ones."""
    found = store.repository.merge_base(pygit2.Oid(hex=first), pygit2.Oid(hex=second))
    return str(found) if found is not None else None


def is_ancestor(store: GitStore, old: str, new: str) -> bool:
    """Whether `new` is `old` or was made on top of it."""
    return old == new or store.repository.descendant_of(pygit2.Oid(hex=new), pygit2.Oid(hex=old))


def merge(store: GitStore, *, ours: str, theirs: str) -> Merge:
    """What commit `theirs` would bring to commit `ours`.

    Renames are not guessed: a file renamed on one side and changed on the other is a conflict. Lines that
    both sides added to `.gitattributes` are all kept, since the hub itself adds such lines.
    """
    repository = store.repository
    base = merge_base(store, ours, theirs)
    if base in (ours, theirs):
        ahead = theirs if base == ours else ours
        return Merge(str(_tree(repository, ahead).id))
    ancestor = _tree(repository, base or str(repository.TreeBuilder().write()))
    index = repository.merge_trees(
        ancestor, _tree(repository, ours), _tree(repository, theirs), flags=MergeFlag(0)
    )
    _keep_all_attributes(repository, index)
    conflicts = _conflicts(index)
    return Merge("", conflicts) if conflicts else Merge(str(index.write_tree(repository)))


def conflicts_of(store: GitStore, *, ours: str, theirs: str) -> tuple[str, ...]:
    """The files that a merge of these commits could not settle; remembered, since it cannot change."""
    return _conflicts_of(store.path, ours, theirs)


@lru_cache(maxsize=1000)
def _conflicts_of(path: Path, ours: str, theirs: str) -> tuple[str, ...]:
    return merge(GitStore(path), ours=ours, theirs=theirs).conflicts


def _tree(repository: pygit2.Repository, oid: str) -> pygit2.Tree:
    return repository[oid].peel(pygit2.Tree)


def _conflicts(index: pygit2.Index) -> tuple[str, ...]:
    sides = islice(index.conflicts or (), MAX_CONFLICTS_TOLD)
    paths = {str(side.path) for entries in sides for side in entries if side is not None}
    return tuple(sorted(paths)[:MAX_CONFLICTS_TOLD])


def _keep_all_attributes(repository: pygit2.Repository, index: pygit2.Index) -> None:
    for _base, ours, theirs in list(index.conflicts or ()):
        if ours is None or theirs is None or str(ours.path) != _ATTRIBUTES:
            continue
        kept = _lines(repository, ours)
        kept += [line for line in _lines(repository, theirs) if line not in kept]
        blob = repository.create_blob(b"\n".join(kept) + b"\n")
        del index.conflicts[_ATTRIBUTES]
        index.add(pygit2.IndexEntry(_ATTRIBUTES, blob, ours.mode))


def _lines(repository: pygit2.Repository, entry: pygit2.IndexEntry) -> list[bytes]:
    return bytes(repository[entry.id].peel(pygit2.Blob).data).splitlines()


def write_merge(store: GitStore, *, tree: str, parents: Sequence[str], author: Author, message: str) -> str:
    """Write the merge commit and tell its oid; a parent named twice counts once."""
    signature = author.signature()
    unique = [pygit2.Oid(hex=oid) for oid in dict.fromkeys(parents)]
    oid = store.repository.create_commit(None, signature, signature, message, pygit2.Oid(hex=tree), unique)
    return str(oid)


def new_commits(store: GitStore, new: str, known: Iterable[str], limit: int) -> list[Commit]:
    """The newest `limit` commits that lead to `new` and to none of `known`, oldest first."""
    walk = store.repository.walk(pygit2.Oid(hex=new), SortMode.TOPOLOGICAL | SortMode.TIME)
    for oid in known:
        walk.hide(pygit2.Oid(hex=oid))
    return [describe(commit) for commit in islice(walk, limit)][::-1]
