"""History made anew: a branch as one commit, or every reference without certain large files."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import pygit2
from pygit2.enums import FileMode, ObjectType, SortMode

from models_app.storage.errors import StorageError
from models_app.storage.gitcommit import Author, swap_target
from models_app.storage.gitlfs import Refs
from models_app.storage.gitlocks import clear_stale_locks
from models_app.storage.gitstore import GitStore

MAX_DEPTH = 300


@dataclass(frozen=True, slots=True)
class RefMove:
    """A reference about to move: its full name, the commits, and what the reference itself names (a tag
    object where the tag is annotated)."""

    name: str
    old: str
    new: str
    old_target: str
    new_target: str


def squashed(store: GitStore, oid: str, *, author: Author, message: str) -> str:
    """A commit without parents that holds the tree of commit `oid`."""
    signature = author.signature()
    tree = store.repository[oid].peel(pygit2.Tree).id
    return str(store.repository.create_commit(None, signature, signature, message, tree, []))


def retarget(store: GitStore, name: str, *, old_target: str, new_target: str) -> None:
    """Point a full reference name elsewhere if it still names `old_target`, else StaleParent."""
    clear_stale_locks(store.path, name)
    swap_target(store, name, old=old_target, new=new_target)


def without_files(store: GitStore, refs: Refs, sha256s: Collection[str]) -> list[RefMove]:
    """New commits for these references, as if the large files had never been in them; moves nothing.

    Authors, dates and messages stay; commits that brought nothing else stay as empty ones. References that
    never held the files are not among the moves.
    """
    rewriter = _Rewriter(store, sha256s)
    renamed = rewriter.commits([oid for _, oid in refs])
    moves = []
    for name, old in refs:
        new = renamed[old]
        if new != old:
            target = str(store.repository.lookup_reference(name).target)
            moves.append(RefMove(name, old, new, target, rewriter.target(target, renamed)))
    return moves


class _Rewriter:
    """Filters trees and commits, each once."""

    def __init__(self, store: GitStore, sha256s: Collection[str]) -> None:
        self._store, self._doomed = store, frozenset(sha256s)
        self._trees: dict[pygit2.Oid, pygit2.Oid | None] = {}

    def commits(self, tips: list[str]) -> dict[str, str]:
        """Every commit's new oid (mostly its own), by its old one."""
        repository = self._store.repository
        walker = repository.walk(None, SortMode.TOPOLOGICAL | SortMode.REVERSE)
        for tip in tips:
            walker.push(pygit2.Oid(hex=tip))
        renamed: dict[str, str] = {}
        for commit in walker:
            tree = self._tree(commit.tree_id, 0) or repository.TreeBuilder().write()
            parents = [renamed[str(parent)] for parent in commit.parent_ids]
            if tree == commit.tree_id and parents == [str(parent) for parent in commit.parent_ids]:
                renamed[str(commit.id)] = str(commit.id)
                continue
            made = repository.create_commit(
                None,
                commit.author,
                commit.committer,
                commit.message,
                tree,
                [pygit2.Oid(hex=parent) for parent in parents],
            )
            renamed[str(commit.id)] = str(made)
        return renamed

    def target(self, oid: str, renamed: dict[str, str]) -> str:
        """What a reference to `oid` names afterwards: the new commit, or a tag object that leads to it."""
        repository = self._store.repository
        tags: list[bytes] = []  # of tags, outermost first; no recursion, somebody may have nested thousands
        while isinstance(found := repository[oid], pygit2.Tag):
            tags.append(repository.odb.read(pygit2.Oid(hex=oid))[1])
            oid = str(found.target)
        new = renamed.get(oid, oid)
        for data in reversed(tags):
            _, _, rest = data.partition(b"\n")
            new = str(repository.write(ObjectType.TAG, b"object " + new.encode() + b"\n" + rest))
        return new

    def _tree(self, oid: pygit2.Oid, depth: int) -> pygit2.Oid | None:
        """The folder without the files; None when nothing is left in it."""
        if depth > MAX_DEPTH:
            raise StorageError(f"Folders nested deeper than {MAX_DEPTH} cannot be rewritten.")
        if oid not in self._trees:
            self._trees[oid] = self._filtered(oid, depth)
        return self._trees[oid]

    def _filtered(self, oid: pygit2.Oid, depth: int) -> pygit2.Oid | None:
        repository = self._store.repository
        kept: list[tuple[str, pygit2.Oid, int]] = []
        changed = False
        for item in repository[oid].peel(pygit2.Tree):
            new: pygit2.Oid | None = item.id
            if item.type == ObjectType.TREE:
                new = self._tree(item.id, depth + 1)
            elif item.type == ObjectType.BLOB and self._is_doomed(item.id):
                new = None
            changed = changed or new != item.id
            if new is not None:
                kept.append((item.name or "", new, int(item.filemode)))
        if not changed:
            return oid
        if not kept:
            return None
        builder = repository.TreeBuilder()
        for name, child, mode in kept:
            builder.insert(name, child, FileMode(mode))
        return builder.write()

    def _is_doomed(self, oid: pygit2.Oid) -> bool:
        pointer = self._store.pointer(str(oid))
        return pointer is not None and pointer.sha256 in self._doomed
