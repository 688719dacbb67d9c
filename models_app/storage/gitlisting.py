"""A folder's names without a look at its files, so that ten thousand of them are a page as quickly as ten."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import pygit2
from pygit2.enums import ObjectType

from models_app.storage.errors import EntryNotFound
from models_app.storage.gitstore import Entry, GitStore

# Far more than anybody looks through; a filter finds what lies beyond.
MAX_NAMES = 50_000


@dataclass(frozen=True)
class Listing:
    """The names in one folder, folders before files, each in git's order; `is_cut` where there are more."""

    folders: tuple[str, ...]
    files: tuple[str, ...]
    is_cut: bool

    @property
    def names(self) -> tuple[str, ...]:
        return self.folders + self.files

    def holding(self, part: str) -> tuple[str, ...]:
        """The names that have `part` in them, whatever the case of its letters."""
        wanted = part.casefold()
        return tuple(name for name in self.names if wanted in name.casefold()) if wanted else self.names


def list_names(store: GitStore, oid: str, path: str) -> Listing:
    """What is in the folder `path` of commit `oid`; EntryNotFound when it is missing or is a file."""
    top = store.entry(oid, path)
    if top is None or top.is_file:
        raise EntryNotFound(f"{path} does not exist on {oid}", oid)
    return _names(str(store.repository.path), top.oid)


@lru_cache(maxsize=32)
def _names(path: str, tree_oid: str) -> Listing:
    """Remembered, since a tree cannot change."""
    tree = pygit2.Repository(path)[tree_oid].peel(pygit2.Tree)
    folders: list[str] = []
    files: list[str] = []
    for item in tree:
        if item.type == ObjectType.TREE:
            folders.append(item.name or "")
        elif item.type == ObjectType.BLOB:
            files.append(item.name or "")
        if len(folders) + len(files) > MAX_NAMES:
            return Listing(tuple(folders), tuple(files), is_cut=True)
    return Listing(tuple(folders), tuple(files), is_cut=False)


def entries_of(store: GitStore, oid: str, folder: str, names: Iterable[str]) -> list[Entry]:
    """The entries of these names in a folder, with their sizes."""
    prefix = f"{folder}/" if folder else ""
    found = (store.entry(oid, f"{prefix}{name}") for name in names)
    return [entry for entry in found if entry is not None]
