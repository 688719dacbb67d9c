"""One bare repository, reading: revisions, entries, trees, history, references. No table, no HTTP."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pygit2
from pygit2.enums import FileMode, ObjectType

from models_app.storage import githistory
from models_app.storage.errors import EntryNotFound, FileTooLarge, RevisionNotFound
from models_app.storage.githistory import Commit
from models_app.storage.lfs import MAX_POINTER_BYTES, Pointer, parse_pointer

_HEX = re.compile(r"[0-9a-f]{5,40}")
_CONFIG = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"
# Size and pointer of a blob never change, whichever repo it is in; the key is only known after the gate.
_BLOB_FACTS: dict[str, tuple[int, Pointer | None]] = {}
_BLOB_FACTS_LIMIT = 200_000


@dataclass(frozen=True)
class Entry:
    """A file or folder of a tree. `size` is the real content's (also behind a pointer); folders have 0."""

    type: str
    path: str
    oid: str
    size: int
    pointer: Pointer | None = None

    @property
    def is_file(self) -> bool:
        return self.type == "file"

    @property
    def etag(self) -> str:
        """What the wire names the content by: sha256 of a large file, git blob id of an ordinary one."""
        return self.pointer.sha256 if self.pointer else self.oid


@dataclass(frozen=True)
class Ref:
    """A branch or tag: short `name`, full `ref`, and the commit it leads to."""

    name: str
    ref: str
    oid: str


def repo_path(root: Path, repo_uuid: uuid.UUID) -> Path:
    """Where the repository of this uuid lies: fanned out by its first two hex digits, never by a name."""
    return root / repo_uuid.hex[:2] / f"{repo_uuid.hex}.git"


class GitStore:
    """Reads one bare repository; cheap to make, one per request, not shared between threads."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def repository(self) -> pygit2.Repository:
        # libgit2 finds packs later on only where it finds their folder now.
        with suppress(OSError):
            (self.path / "objects" / "pack").mkdir()
        return pygit2.Repository(str(self.path))

    def init(self, default_branch: str = "main") -> None:
        """Make the least that git accepts as a bare repository: no hooks, no samples."""
        for folder in ("objects/pack", "refs/heads", "refs/tags"):
            (self.path / folder).mkdir(parents=True, exist_ok=True)
        (self.path / "config").write_text(_CONFIG)
        (self.path / "HEAD").write_text(f"ref: refs/heads/{default_branch}\n")

    # --- revisions

    def resolve(self, revision: str) -> str:
        """The full oid of a branch, tag, full reference, `HEAD`, or (short) commit oid, in this order."""
        names = [revision] if revision.startswith("refs/") or revision == "HEAD" else []
        for name in [*names, f"refs/heads/{revision}", f"refs/tags/{revision}"]:
            if oid := self.ref_oid(name):
                return oid
        if _HEX.fullmatch(revision) and (commit := self._commit_by_prefix(revision)):
            return commit
        raise RevisionNotFound(revision)

    def ref_oid(self, name: str) -> str | None:
        """The commit a full reference name leads to (tags are peeled), or None."""
        if "\0" in name:  # libgit2 would read the name up to here only
            return None
        try:
            return str(self.repository.lookup_reference(name).peel(pygit2.Commit).id)
        except (KeyError, ValueError, pygit2.GitError):
            return None

    def _commit_by_prefix(self, prefix: str) -> str | None:
        try:
            found = self.repository[prefix]
        except (KeyError, ValueError):
            return None
        return str(found.id) if isinstance(found, pygit2.Commit) else None

    def refs(self) -> tuple[list[Ref], list[Ref]]:
        """All branches and all tags, each sorted by name."""
        found: dict[str, list[Ref]] = {"refs/heads/": [], "refs/tags/": []}
        for full in sorted(self.repository.listall_references()):
            for prefix, refs in found.items():
                if full.startswith(prefix) and (oid := self.ref_oid(full)):
                    refs.append(Ref(full.removeprefix(prefix), full, oid))
        return found["refs/heads/"], found["refs/tags/"]

    # --- entries

    def entry(self, oid: str, path: str) -> Entry | None:
        """What is at `path` in commit `oid`; the empty path is the top folder; None when there is nothing."""
        tree = self._root(oid)
        if not path:
            return Entry("directory", "", str(tree.id), 0)
        if path.endswith("/"):  # libgit2 would read over it
            return None
        try:
            found = tree[path]
        except (KeyError, ValueError, TypeError, UnicodeError):
            return None
        return self._entry(found, path)

    def tree(
        self, oid: str, path: str = "", recursive: bool = False, folders_first: bool = False
    ) -> Iterator[Entry]:
        """Entries of the folder `path` in git's order; `recursive` walks down, folders before their content.

        `folders_first` puts the folders of each level before its files.
        Raises EntryNotFound when `path` is missing or is a file.
        """
        top = self.entry(oid, path)
        if top is None or top.is_file:
            raise EntryNotFound(f"{path} does not exist on {oid}", oid)
        return self._walk_tree(top.oid, f"{path}/" if path else "", recursive, folders_first)

    def files(self, oid: str) -> Iterator[Entry]:
        """Every file of a commit."""
        return (entry for entry in self.tree(oid, recursive=True) if entry.is_file)

    def blob(self, oid: str) -> bytes:
        """The content of a blob by its id (of a pointer: the pointer's text)."""
        kind, data = self.repository.odb.read(pygit2.Oid(hex=oid))
        if kind != ObjectType.BLOB:
            raise EntryNotFound(f"{oid} is not a file")
        return data

    def pointer(self, oid: str) -> Pointer | None:
        """The large file that the blob of this id stands for, if it is a pointer."""
        return self._blob_facts(oid)[1]

    def read(self, revision: str, path: str, limit: int) -> bytes:
        """The bytes git holds at `path` (at most `limit`), by any revision name."""
        oid = self.resolve(revision)
        entry = self.entry(oid, path)
        if entry is None or not entry.is_file:
            raise EntryNotFound(f"{path} does not exist on {revision}", oid)
        if entry.pointer is None and entry.size > limit:
            raise FileTooLarge(f"{path} has {entry.size} bytes; at most {limit} are read here")
        return self.blob(entry.oid)

    def _root(self, oid: str) -> pygit2.Tree:
        return self.repository[oid].peel(pygit2.Tree)

    def _walk_tree(self, tree_oid: str, prefix: str, recursive: bool, folders_first: bool) -> Iterator[Entry]:
        items: Iterable[pygit2.Object] = self.repository[tree_oid].peel(pygit2.Tree)
        if folders_first:
            items = sorted(items, key=lambda item: item.filemode != FileMode.TREE)
        for item in items:
            entry = self._entry(item, prefix + (item.name or ""))
            if entry is None:
                continue
            yield entry
            if recursive and not entry.is_file:
                yield from self._walk_tree(entry.oid, f"{entry.path}/", True, folders_first)

    def _entry(self, item: pygit2.Object, path: str) -> Entry | None:
        oid = str(item.id)
        if item.type == ObjectType.TREE:
            return Entry("directory", path, oid, 0)
        if item.type != ObjectType.BLOB:
            return None  # a submodule: not content of this repo
        size, pointer = self._blob_facts(oid)
        return Entry("file", path, oid, pointer.size if pointer else size, pointer)

    def _blob_facts(self, oid: str) -> tuple[int, Pointer | None]:
        facts = _BLOB_FACTS.get(oid)
        if facts is None:
            facts = self._read_blob_facts(oid)
            if len(_BLOB_FACTS) >= _BLOB_FACTS_LIMIT:
                _BLOB_FACTS.clear()
            _BLOB_FACTS[oid] = facts
        return facts

    def _read_blob_facts(self, oid: str) -> tuple[int, Pointer | None]:
        _, size = self.repository.odb.read_header(pygit2.Oid(hex=oid))
        return size, parse_pointer(self.blob(oid)) if size < MAX_POINTER_BYTES else None

    # --- history

    def commit(self, oid: str) -> Commit:
        """One commit by its full oid."""
        return githistory.describe(self.repository[oid].peel(pygit2.Commit))

    def history(self, oid: str, skip: int = 0, limit: int | None = None) -> Iterator[Commit]:
        """Commits reachable from `oid`, newest first."""
        return githistory.history(self.repository, oid, skip, limit)

    def count_commits(self, oid: str) -> int:
        """How many commits `history(oid)` has."""
        return githistory.count(self.repository, oid)

    def last_commits(self, oid: str, paths: Iterable[str]) -> dict[str, Commit]:
        """For each path of commit `oid`, the newest commit that changed it."""
        return githistory.last_commits(self.repository, oid, paths)
