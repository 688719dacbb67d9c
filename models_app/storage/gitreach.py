"""What the references of a bare repository lead to: which large files some commit of some reference names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pygit2
from pygit2.enums import ObjectType

from models_app.storage.errors import StorageError
from models_app.storage.lfs import MAX_POINTER_BYTES, Pointer, parse_pointer


class DamagedRepository(StorageError):
    """The repository, or an object it must have, cannot be read."""


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (KeyError, ValueError, OSError, pygit2.GitError) as error:
        raise DamagedRepository(f"{path.name} cannot be read: {error}") from error


class Reach:
    """The pointers below everything added so far, each object looked at once.

    Raises DamagedRepository for anything missing: who cannot see everything must call nothing unreachable.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with _readable(path):
            self._repository = pygit2.Repository(str(path))
        self._seen: set[pygit2.Oid] = set()
        self.sha256s: set[str] = set()
        self.commits = 0

    def add_references(self) -> None:
        """Everything below every reference there is: branches, tags, pull requests and any other."""
        with _readable(self._path):
            names = self._repository.listall_references()
            tips = [str(self._repository.lookup_reference(name).resolve().target) for name in names]
        self.add(tips)

    def add(self, oids: Iterable[str]) -> None:
        """Everything below these objects: commits with their history, tags, trees, blobs."""
        waiting = [pygit2.Oid(hex=oid) for oid in oids]
        with _readable(self._path):
            while waiting:
                oid = waiting.pop()
                if oid not in self._seen:
                    waiting.extend(self._below(oid))
                    self._seen.add(oid)

    def _below(self, oid: pygit2.Oid) -> list[pygit2.Oid]:
        found = self._repository[oid]
        if isinstance(found, pygit2.Commit):
            self.commits += 1
            return [found.tree_id, *found.parent_ids]
        if isinstance(found, pygit2.Tag):
            return [found.target]
        if isinstance(found, pygit2.Tree):
            return self._in_tree(found)
        self._look_at_blob(oid)
        return []

    def _in_tree(self, tree: pygit2.Tree) -> list[pygit2.Oid]:
        folders = []
        for item in tree:
            if item.type == ObjectType.TREE:
                folders.append(item.id)
            elif item.type == ObjectType.BLOB and item.id not in self._seen:
                self._look_at_blob(item.id)
                self._seen.add(item.id)
        return folders

    def _look_at_blob(self, oid: pygit2.Oid) -> None:
        _kind, size = self._repository.odb.read_header(oid)
        if size < MAX_POINTER_BYTES:
            pointer: Pointer | None = parse_pointer(self._repository.odb.read(oid)[1])
            if pointer is not None:
                self.sha256s.add(pointer.sha256)


def is_reached(path: Path, oid: str) -> bool:
    """Whether some reference leads to the commit."""
    repository = pygit2.Repository(str(path))
    for name in repository.listall_references():
        try:
            tip = repository.lookup_reference(name).peel(pygit2.Commit).id
        except (KeyError, ValueError, pygit2.GitError):
            continue
        if str(tip) == oid or repository.descendant_of(tip, pygit2.Oid(hex=oid)):
            return True
    return False
