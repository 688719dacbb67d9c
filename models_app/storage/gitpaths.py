"""The commits that changed one path."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pygit2
from pygit2.enums import SortMode

from models_app.storage.githistory import Commit, describe
from models_app.storage.gitstore import GitStore

# Looked through for one page; what lies further back is left unsaid rather than searched for.
MAX_SEARCHED = 5000


def path_history(store: GitStore, oid: str, path: str, skip: int, limit: int) -> list[Commit]:
    """The commits before and at `oid` in which the file or folder came, changed or went, newest first.

    Of a merge only what it changed against all its parents counts.
    """
    return list(islice(_changes(store.repository, oid, path), skip, skip + limit))


def _changes(repository: pygit2.Repository, oid: str, path: str) -> Iterator[Commit]:
    walk = repository.walk(pygit2.Oid(hex=oid), SortMode.TOPOLOGICAL | SortMode.TIME)
    known: dict[pygit2.Oid, str] = {}
    for commit in islice(walk, MAX_SEARCHED):
        here = known.pop(commit.id, None)
        here = _at(commit, path) if here is None else here
        before = []
        for parent in commit.parents:
            there = known.setdefault(parent.id, "") or _at(parent, path)
            known[parent.id] = there
            before.append(there)
        if all(there != here for there in before) and (before or here != "-"):
            yield describe(commit)


def _at(commit: pygit2.Commit, path: str) -> str:
    """The id of what lies at the path, `-` for nothing."""
    try:
        return str(commit.tree[path].id)
    except (KeyError, ValueError, TypeError, UnicodeError):
        return "-"
