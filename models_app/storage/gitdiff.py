"""What changed between two commits, as unified text of bounded size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pygit2
from pygit2.enums import DeltaStatus, FileMode

from models_app.storage.gitstore import GitStore
from models_app.storage.lfs import MAX_POINTER_BYTES, Pointer, parse_pointer

MAX_FILES = 300
MAX_FILE_BYTES = 512 * 1024
MAX_DIFF_BYTES = 1024**2
_STATUS = {DeltaStatus.ADDED: "added", DeltaStatus.DELETED: "deleted"}


@dataclass(frozen=True)
class FileDiff:
    """One changed file. `kind` is text, large (pointers of large files), binary, or long (not shown).

    `text` is unified diff with its header; `old` and `new` are the pointers of a large file's two sides.
    """

    path: str
    status: str
    kind: str
    text: str
    added: int = 0
    removed: int = 0
    old: Pointer | None = None
    new: Pointer | None = None
    old_blob: str = ""
    new_blob: str = ""


@dataclass(frozen=True)
class Diff:
    """The files shown, in order of their paths, and how many more there are; `old` and `new` are the commits
    and `git` is the repository they are in."""

    files: tuple[FileDiff, ...]
    left_out: int
    old: str = ""
    new: str = ""
    git: Path | None = None

    @property
    def text(self) -> str:
        """The whole as one unified diff; a last line says what is missing."""
        rest = f"# {self.left_out} more changed files are not shown.\n" if self.left_out else ""
        return "".join(file.text for file in self.files) + rest


def diff(store: GitStore, old: str, new: str) -> Diff:
    """From commit `old` to commit `new`; remembered, since it cannot change."""
    return _diff(store.path, old, new)


@lru_cache(maxsize=8)
def _diff(path: Path, old: str, new: str) -> Diff:
    store = GitStore(path)
    before, after = (store.repository[oid].peel(pygit2.Tree) for oid in (old, new))
    found = before.diff_to_tree(after)
    files: list[FileDiff] = []
    room = MAX_DIFF_BYTES
    for position, delta in enumerate(found.deltas):
        if len(files) == MAX_FILES or room <= 0:
            break
        files.append(_file(store, found, position, delta))
        room -= len(files[-1].text)
    return Diff(tuple(files), len(found) - len(files), old, new, path)


def text_diff(path: str, old: bytes, new: bytes) -> FileDiff:
    """From one text to another, of which neither need be in a repository."""
    patch = pygit2.Patch.create_from(old, new, old_as_path=path, new_as_path=path)
    _context, added, removed = patch.line_stats
    return FileDiff(path, "modified", "text", (patch.text or ""), added, removed)


def _file(store: GitStore, found: pygit2.Diff, position: int, delta: pygit2.DiffDelta) -> FileDiff:
    path = delta.new_file.path
    status = _STATUS.get(delta.status, "modified")
    (old_size, old), (new_size, new) = _facts(store, delta.old_file), _facts(store, delta.new_file)
    if max(old_size, new_size) > MAX_FILE_BYTES:
        return FileDiff(path, status, "long", _named_only(path, status), old=old, new=new)
    patch = found[position]
    if patch is None or patch.delta.is_binary:
        return FileDiff(path, status, "binary", _named_only(path, status), old=old, new=new)
    _context, added, removed = patch.line_stats
    kind = "large" if old or new else "text"
    text = patch.data.decode("utf-8", "replace")
    text = text if text.endswith("\n") else f"{text}\n"
    blobs = (str(delta.old_file.id), str(delta.new_file.id))
    return FileDiff(path, status, kind, text, added, removed, old, new, *blobs)


def _facts(store: GitStore, side: pygit2.DiffFile) -> tuple[int, Pointer | None]:
    """Size of a side's blob, and the pointer it holds; nothing for a side that is not there."""
    if side.mode not in (FileMode.BLOB, FileMode.BLOB_EXECUTABLE, FileMode.LINK):
        return 0, None
    _kind, size = store.repository.odb.read_header(side.id)
    return size, parse_pointer(store.blob(str(side.id))) if size < MAX_POINTER_BYTES else None


def _named_only(path: str, status: str) -> str:
    old = "/dev/null" if status == "added" else f"a/{path}"
    new = "/dev/null" if status == "deleted" else f"b/{path}"
    return f"diff --git a/{path} b/{path}\nBinary files {old} and {new} differ\n"
