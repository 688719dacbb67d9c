"""Whether pushed objects may be here: what the hub's own commits could never contain, git lets through."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pygit2
from pygit2.enums import ObjectType

from models_app.storage.errors import BadPath
from models_app.storage.gitstore import GitStore
from models_app.storage.lfs import MAX_POINTER_BYTES, Pointer, parse_pointer
from models_app.storage.operations import MAX_DEPTH, MAX_PATH_BYTES, check_path

MAX_TREE_FILES = 1_000_000
MAX_TREE_BYTES = 64 * 1024**2
# Enough to see what is wrong; whoever has more of it fixes these first.
MAX_TOLD = 20
_ENTRY = re.compile(rb"([0-7]+) ([^\0]+)\0(.{20})", re.DOTALL)
_ENCODING = re.compile(rb"^encoding (.*)$", re.MULTILINE)
_TIME = re.compile(rb"^(?:author|committer) .*> ([0-9]+) ", re.MULTILINE)
_YEAR_9999 = 253_370_764_800
_FOLDER = 0o040000
_FILES = (0o100644, 0o100755, 0o100664)
_KINDS = {0o120000: "it is a symbolic link; push the file itself", 0o160000: "it is a submodule"}


@dataclass
class Findings:
    """What is wrong with pushed objects, in sentences; the pointers are still to be answered for."""

    too_large: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    pointers: dict[Pointer, str] = field(default_factory=dict)

    @property
    def told(self) -> int:
        return len(self.too_large) + len(self.refused)


@dataclass(frozen=True)
class _Extent:
    """Of a folder and all below: how many files, how many levels, and the bytes of its longest path."""

    files: int
    depth: int
    path_bytes: int


class _TooMuch(Exception):
    """A tree that nothing here could list: too many files, too deep, or paths too long."""


def inspect(store: GitStore, objects: Iterable[tuple[str, str]], max_blob: int) -> Findings:
    """Look at every commit and blob of `objects` (oid, path); no ordinary file may exceed `max_blob` bytes.

    Stops looking when MAX_TOLD things are wrong.
    """
    findings = Findings()
    trees = _Trees(store, findings)
    for oid, path in objects:
        kind, size = store.repository.odb.read_header(pygit2.Oid(hex=oid))
        if kind == ObjectType.COMMIT:
            trees.check_commit(oid)
        elif kind == ObjectType.BLOB:
            _check_blob(store, findings, oid, path, size, max_blob)
        if findings.told >= MAX_TOLD:
            break
    return findings


def _check_blob(store: GitStore, findings: Findings, oid: str, path: str, size: int, max_blob: int) -> None:
    if size > max_blob:
        findings.too_large.append(path)
    elif size < MAX_POINTER_BYTES:
        pointer = parse_pointer(store.blob(oid))
        if pointer is not None:
            findings.pointers.setdefault(pointer, path)


def _unreadable(commit: bytes) -> str:
    """Why a commit's text or dates are none that readers here, and clients, can show; empty when they are."""
    head, _, _ = commit.partition(b"\n\n")
    if any(len(time) > 12 or int(time) >= _YEAR_9999 for time in _TIME.findall(head)):
        return "its date is after the year 9998"
    encoding = _ENCODING.search(head)
    if encoding is None:
        return ""  # taken for UTF-8, and what is none of it is replaced
    try:
        commit.decode(encoding[1].decode("ascii"))
    except (LookupError, ValueError):
        return "its text is not in the encoding it says"
    return ""


class _Trees:
    """The trees of commits, each looked at once: a few may stand for billions of files."""

    def __init__(self, store: GitStore, findings: Findings) -> None:
        self._odb = store.repository.odb
        self._findings = findings
        self._extents: dict[bytes, _Extent] = {}
        self._good_names: set[bytes] = set()

    def check_commit(self, oid: str) -> None:
        """Look at the commit's own text, and through its whole tree."""
        _, data = self._odb.read(pygit2.Oid(hex=oid))
        if reason := _unreadable(data):
            self._refuse(f"commit {oid[:10]}: {reason}")
        root = bytes.fromhex(data[5:45].decode("ascii"))
        if root in self._extents:
            return
        try:
            extent = self._extent(root, "", 0)
            if extent.files > MAX_TREE_FILES:
                raise _TooMuch(f"a commit has {extent.files} files; at most {MAX_TREE_FILES} are kept")
        except _TooMuch as error:
            self._refuse(f"commit {oid[:10]}: {error}")

    def _extent(self, tree: bytes, path: str, level: int) -> _Extent:
        if level > MAX_DEPTH:
            raise _TooMuch(f"its folders lie more than {MAX_DEPTH} deep")
        known = self._extents.get(tree)
        if known is None:
            known = self._measure(tree, path, level)
            self._extents[tree] = known
        if level + known.depth > MAX_DEPTH:
            raise _TooMuch(f"its folders lie more than {MAX_DEPTH} deep")
        if len(path.encode("utf-8", "replace")) + known.path_bytes > MAX_PATH_BYTES:
            raise _TooMuch(f"a path is longer than {MAX_PATH_BYTES} bytes")
        return known

    def _measure(self, tree: bytes, path: str, level: int) -> _Extent:
        files = depth = longest = 0
        for mode, name, oid in self._entries(tree):
            text = self._name(name, path)
            below = 0
            if mode == _FOLDER:
                child = self._extent(oid, f"{path}{text}/", level + 1)
                files, depth, below = files + child.files, max(depth, child.depth + 1), child.path_bytes + 1
            elif mode in _FILES:
                files += 1
            else:
                kind = _KINDS.get(mode, f"its mode is {mode:o}")
                self._refuse(f"{path[:300]}{text}: {kind}")
            longest = max(longest, len(name) + below)
        return _Extent(files, depth, longest)

    def _entries(self, tree: bytes) -> Iterator[tuple[int, bytes, bytes]]:
        name = pygit2.Oid(raw=tree)
        if self._odb.read_header(name)[1] > MAX_TREE_BYTES:
            raise _TooMuch(f"a folder's list of names is longer than {MAX_TREE_BYTES} bytes")
        _, data = self._odb.read(name)
        for found in _ENTRY.finditer(data):
            yield int(found[1], 8), found[2], found[3]

    def _name(self, name: bytes, folder: str) -> str:
        text = name.decode("utf-8", "replace")
        if name not in self._good_names:
            try:
                check_path(name.decode())
                if b"/" in name:
                    raise BadPath(text, "a name must not contain a slash")
            except BadPath as error:
                self._refuse(error.message if not folder else f"In {folder[:300]}: {error.message}")
            except UnicodeDecodeError:
                self._refuse(f"{folder[:300]}{text[:300]}: its name is not valid UTF-8")
            else:
                self._good_names.add(name)
        return text

    def _refuse(self, sentence: str) -> None:
        if len(self._findings.refused) < MAX_TOLD:
            self._findings.refused.append(sentence)
