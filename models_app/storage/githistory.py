"""Commits in order, and which of them last touched a path."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice

import pygit2
from pygit2.enums import SortMode

# Beyond this many commits a path's last change is left unsaid rather than searched for.
MAX_COMMITS_SEARCHED = 3000
MAX_PATHS_REMEMBERED = 1000


@dataclass(frozen=True)
class Commit:
    """One commit: `title` is the first line, `message` the rest, `author` the hub user's name."""

    oid: str
    title: str
    message: str
    author: str
    email: str
    date: datetime
    parents: tuple[str, ...]


def describe(commit: pygit2.Commit) -> Commit:
    """Our own, plain form of a pygit2 commit; times are UTC."""
    text = commit.raw_message.decode("utf-8", "replace")
    title, _, message = text.strip().partition("\n")
    return Commit(
        oid=str(commit.id),
        title=title.strip(),
        message=message.strip(),
        author=commit.author.name,
        email=commit.author.email,
        date=datetime.fromtimestamp(commit.commit_time, UTC),
        parents=tuple(str(parent) for parent in commit.parent_ids),
    )


def _walk(repository: pygit2.Repository, oid: str) -> Iterator[pygit2.Commit]:
    return iter(repository.walk(pygit2.Oid(hex=oid), SortMode.TOPOLOGICAL | SortMode.TIME))


def history(repository: pygit2.Repository, oid: str, skip: int, limit: int | None) -> Iterator[Commit]:
    """Commits from `oid` backwards, newest first."""
    stop = None if limit is None else skip + limit
    return (describe(commit) for commit in islice(_walk(repository, oid), skip, stop))


def count(repository: pygit2.Repository, oid: str) -> int:
    """The length of `oid`'s history; remembered, since it cannot change."""
    return _count(repository.path, oid)


@lru_cache(maxsize=10_000)
def _count(path: str, oid: str) -> int:
    return sum(1 for _ in _walk(pygit2.Repository(path), oid))


def last_commits(repository: pygit2.Repository, oid: str, paths: Iterable[str]) -> dict[str, Commit]:
    """Newest commit that changed each path, following first parents.

    Paths are grouped by folder, so that a commit which left a folder alone is passed with one comparison.
    Paths whose change lies more than MAX_COMMITS_SEARCHED commits back are left out. Remembered, since it
    cannot change, where it is no more than a page: callers name what they like, and memory is ours.
    """
    wanted = tuple(paths)
    if len(wanted) > MAX_PATHS_REMEMBERED:
        return _find_last_commits(repository.path, oid, wanted)
    return dict(_last_commits(repository.path, oid, wanted))


def _find_last_commits(path: str, oid: str, paths: tuple[str, ...]) -> dict[str, Commit]:
    repository = pygit2.Repository(path)
    waiting: dict[str, set[str]] = defaultdict(set)
    for path in paths:
        folder, _, name = path.rpartition("/")
        waiting[folder].add(name)
    found: dict[str, Commit] = {}
    commit: pygit2.Commit | None = repository[oid].peel(pygit2.Commit)
    for _ in range(MAX_COMMITS_SEARCHED):
        if commit is None or not waiting:
            break
        parent = commit.parents[0] if commit.parent_ids else None
        for path in _changed(waiting, commit, parent):
            found[path] = describe(commit)
        commit = parent
    return found


_last_commits = lru_cache(maxsize=300)(_find_last_commits)


def _changed(
    waiting: dict[str, set[str]], commit: pygit2.Commit, parent: pygit2.Commit | None
) -> Iterator[str]:
    """Take out of `waiting`, and yield, the paths that differ between a commit and its parent."""
    for folder in list(waiting):
        ours, theirs = _folder(commit, folder), _folder(parent, folder)
        if ours is not None and theirs is not None and ours.id == theirs.id:
            continue
        for name in list(waiting[folder]):
            if _oid(ours, name) != _oid(theirs, name):
                waiting[folder].discard(name)
                yield f"{folder}/{name}" if folder else name
        if not waiting[folder]:
            del waiting[folder]


def _folder(commit: pygit2.Commit | None, folder: str) -> pygit2.Tree | None:
    if commit is None:
        return None
    try:
        found = commit.tree[folder] if folder else commit.tree
    except KeyError:
        return None
    return found if isinstance(found, pygit2.Tree) else None


def _oid(tree: pygit2.Tree | None, name: str) -> str | None:
    return str(tree[name].id) if tree is not None and name in tree else None
