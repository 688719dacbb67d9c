"""What one commit does to a tree, and the grammar of paths that a tree here may hold."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from models_app.storage.errors import BadPath

MAX_PATH_BYTES = 4096
MAX_SEGMENT_BYTES = 255
# Folders inside folders: what walks a tree does so recursively, here and in clients.
MAX_DEPTH = 128


@dataclass(frozen=True)
class AddFile:
    """Write `content` at `path` as an ordinary blob."""

    path: str
    content: bytes


@dataclass(frozen=True)
class AddBlob:
    """Put a blob that is already in the object store at `path`; `is_pointer` when it is a large file's
    pointer."""

    path: str
    oid: str
    is_pointer: bool = False


@dataclass(frozen=True)
class AddPointer:
    """Write the LFS pointer of a large file at `path`; `size` None means: look it up (a copy on the wire)."""

    path: str
    sha256: str
    size: int | None


@dataclass(frozen=True)
class DeleteFile:
    """Remove the file at `path`."""

    path: str


@dataclass(frozen=True)
class DeleteFolder:
    """Remove everything under `path`."""

    path: str


@dataclass(frozen=True)
class DeleteEntry:
    """Remove whatever is at `path`, file or folder."""

    path: str


Operation = AddFile | AddBlob | AddPointer | DeleteFile | DeleteFolder | DeleteEntry

# Windows and macOS read these names as `.git`: a clone there would overwrite its own repository.
_GIT_ALIASES = re.compile(r"(\.git|git~1)[ .]*(:.*)?", re.IGNORECASE)


def check_path(path: str, *, in_git: bool = True) -> str:
    """The path itself, or BadPath. Paths are relative, `/`-separated, at most 4096 bytes, 255 a segment.

    `in_git=False` is for places that are no repository (buckets): `.git` is a name like others there.
    """
    try:
        encoded = path.encode()
    except UnicodeEncodeError:
        raise BadPath(path, "it is not valid Unicode") from None
    if not path:
        raise BadPath(path, "it is empty")
    if len(encoded) > MAX_PATH_BYTES:
        raise BadPath(path, f"it is longer than {MAX_PATH_BYTES} bytes")
    if in_git and path.count("/") > MAX_DEPTH:
        raise BadPath(path, f"it lies more than {MAX_DEPTH} folders deep")
    if path.startswith("/"):
        raise BadPath(path, "it must be relative to the top of the repo")
    if not path.isprintable() and any(unicodedata.category(letter) == "Cc" for letter in path):
        raise BadPath(path, "it must not contain control characters")
    for segment in path.split("/"):
        _check_segment(path, segment, in_git)
    return path


def _check_segment(path: str, segment: str, in_git: bool) -> None:
    if not segment:
        raise BadPath(path, "it has an empty segment")
    if segment in (".", ".."):
        raise BadPath(path, "it must not contain '.' or '..' segments")
    if len(segment.encode()) > MAX_SEGMENT_BYTES:
        raise BadPath(path, f"a segment is longer than {MAX_SEGMENT_BYTES} bytes")
    visible = segment
    if not segment.isprintable():
        # macOS ignores these invisible format characters when it compares names.
        visible = "".join(letter for letter in segment if unicodedata.category(letter) != "Cf")
    # Windows reads a backslash as a border between folders; the clients there refuse what leads astray.
    if in_git and any(_GIT_ALIASES.fullmatch(part) for part in visible.split("\\")):
        raise BadPath(path, "'.git' is reserved for git itself")
