"""One bare repository, writing: trees are built aside, and a branch moves only by compare-and-swap."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

import pygit2

from models_app.storage.errors import (
    BadRefName,
    RefExists,
    RevisionNotFound,
    StaleParent,
    is_disk_full,
)
from models_app.storage.gitlocks import clear_stale_locks
from models_app.storage.gitpack import NewBlobs
from models_app.storage.gitstore import GitStore
from models_app.storage.gittree import TreeEditor
from models_app.storage.lfs import Pointer, format_pointer
from models_app.storage.operations import (
    AddBlob,
    AddFile,
    AddPointer,
    DeleteEntry,
    DeleteFile,
    DeleteFolder,
    Operation,
    check_path,
)


@dataclass(frozen=True)
class Author:
    """Who made the commit, and when (an aware datetime)."""

    name: str
    email: str
    at: datetime

    def signature(self) -> pygit2.Signature:
        return pygit2.Signature(self.name, self.email, int(self.at.timestamp()), 0)


def stage(blobs: NewBlobs, operation: Operation) -> Operation:
    """Check the paths, and put content among the new blobs so that it need not stay in memory.

    Nothing is visible by this: an object without a reference is garbage to be collected.
    """
    if isinstance(operation, DeleteFolder | DeleteEntry | DeleteFile):
        return type(operation)(check_path(operation.path.rstrip("/")))
    check_path(operation.path)
    if isinstance(operation, AddFile):
        return AddBlob(operation.path, blobs.add(operation.content))
    if isinstance(operation, AddPointer) and operation.size is not None:
        pointer = format_pointer(Pointer(operation.sha256, operation.size))
        return AddBlob(operation.path, blobs.add(pointer), is_pointer=True)
    return operation


def build_commit(
    store: GitStore,
    *,
    operations: Iterable[Operation],
    parent: str | None,
    author: Author,
    message: str,
    attributes: Callable[[bytes, list[str]], bytes] | None = None,
) -> str:
    """Write the tree and the commit object, move no reference; the new commit's oid.

    Operations apply in order. `attributes` gets the resulting `.gitattributes` and the paths of the pointers
    added, and returns it with those tracked. Raises BadPath, PathConflict or EntryNotFound.
    """
    repository = store.repository
    base = repository[parent].peel(pygit2.Tree) if parent else None
    editor = TreeEditor(repository, base)
    pointers = []
    with NewBlobs(repository) as blobs:
        ready = [stage(blobs, operation) for operation in operations]
    for staged in ready:
        _apply(editor, staged)
        if isinstance(staged, AddBlob) and staged.is_pointer:
            pointers.append(staged.path)
    if pointers and attributes is not None:
        before = editor.read(".gitattributes") or b""
        after = attributes(before, pointers)
        if after != before:
            editor.put(".gitattributes", repository.create_blob(after))
    signature = author.signature()
    parents = [pygit2.Oid(hex=parent)] if parent else []
    oid = repository.create_commit(None, signature, signature, message, editor.write(), parents)
    return str(oid)


def write_commit(
    store: GitStore,
    *,
    branch: str,
    operations: Iterable[Operation],
    parent: str | None,
    author: Author,
    message: str,
) -> str:
    """Build a commit on `parent` (None: the branch's first) and move the branch to it, or StaleParent."""
    oid = build_commit(store, operations=operations, parent=parent, author=author, message=message)
    move_branch(store, branch, old=parent, new=oid)
    return oid


def _apply(editor: TreeEditor, operation: Operation) -> None:
    match operation:
        case AddBlob(path, oid):
            editor.put(path, pygit2.Oid(hex=oid))
        case AddPointer():
            raise ValueError("the size of a pointer must be known before it is written")
        case DeleteFile(path):
            editor.remove(path, folder=False)
        case DeleteFolder(path):
            editor.remove(path, folder=True)
        case DeleteEntry(path):
            editor.remove(path, folder=None)


# --- references


def move_branch(store: GitStore, branch: str, *, old: str | None, new: str) -> None:
    """Point the branch at `new` if it still points at `old` (None: does not exist), else StaleParent."""
    move_ref(store, f"refs/heads/{branch}", old=old, new=new)


def move_ref(store: GitStore, name: str, *, old: str | None, new: str) -> None:
    """The same for a full reference name."""
    clear_stale_locks(store.path, name)
    if store.ref_oid(name) != old:
        raise StaleParent
    if old is None:
        create_ref(store, name, new)
        return
    swap_target(store, name, old=old, new=new)


def swap_target(store: GitStore, name: str, *, old: str, new: str) -> None:
    """Let a full reference name the object `new` (of annotated tags the tag object) if it names `old`, else
    StaleParent."""
    try:
        # libgit2 compares with the value just looked up, under the reference's own lock file.
        reference = store.repository.lookup_reference(name)
        if str(reference.target) != old:
            raise StaleParent
        reference.set_target(pygit2.Oid(hex=new))
    except (KeyError, pygit2.GitError, OSError) as error:
        if is_disk_full(error):
            raise
        raise StaleParent from error


def _check_ref_name(name: str) -> None:
    # libgit2 reads a name up to its first NUL only
    if "\0" in name or not pygit2.reference_is_valid_name(name) or len(name.encode()) > 250:
        raise BadRefName(f"{name[:200]!r} is not a valid reference name")


def create_ref(store: GitStore, name: str, oid: str) -> None:
    """Make the reference, which must not exist. Raises BadRefName or RefExists."""
    _check_ref_name(name)
    clear_stale_locks(store.path, name)
    if store.ref_oid(name):
        raise RefExists(name)
    try:
        store.repository.create_reference_direct(name, pygit2.Oid(hex=oid), force=False)
    except pygit2.AlreadyExistsError as error:
        raise RefExists(name) from error
    except (pygit2.GitError, OSError) as error:
        if is_disk_full(error):
            raise
        # `a` and `a/b` cannot both be branches: one would be a file where the other needs a folder.
        raise BadRefName(f"{name} conflicts with another reference") from error


def create_tag(store: GitStore, tag: str, oid: str, *, author: Author, message: str | None) -> None:
    """A lightweight tag, or an annotated one when there is a message. Raises BadRefName or RefExists."""
    name = f"refs/tags/{tag}"
    if not message:
        create_ref(store, name, oid)
        return
    _check_ref_name(name)
    clear_stale_locks(store.path, name)
    try:
        store.repository.create_tag(
            tag, pygit2.Oid(hex=oid), pygit2.enums.ObjectType.COMMIT, author.signature(), message
        )
    except pygit2.AlreadyExistsError as error:
        raise RefExists(name) from error


def delete_ref(store: GitStore, name: str) -> None:
    """Remove a full reference name, or RevisionNotFound."""
    clear_stale_locks(store.path, name)
    if store.ref_oid(name) is None:
        raise RevisionNotFound(name.split("/", 2)[-1])
    store.repository.lookup_reference(name).delete()
