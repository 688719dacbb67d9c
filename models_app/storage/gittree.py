"""Edits to a tree that read and rewrite only the folders they touch."""

from __future__ import annotations

import pygit2
from pygit2.enums import FileMode

from models_app.storage.errors import EntryNotFound, PathConflict


class _Folder:
    """A folder being edited: untouched children keep their git entry, touched folders are `_Folder`s."""

    def __init__(self, tree: pygit2.Tree | None) -> None:
        self.children: dict[str, pygit2.Object | _Folder | tuple[pygit2.Oid, int]] = (
            {str(item.name): item for item in tree} if tree is not None else {}
        )


class TreeEditor:
    """Starts from `base` (None: empty); `write()` returns the new tree's oid. Empty folders vanish."""

    def __init__(self, repository: pygit2.Repository, base: pygit2.Tree | None) -> None:
        self._repository = repository
        self._root = _Folder(base)

    def put(self, path: str, blob: pygit2.Oid) -> None:
        """Put a file there, over whatever file was there; PathConflict when a folder is in the way."""
        *folders, name = path.split("/")
        folder = self._root
        for depth, part in enumerate(folders):
            child = self._child_folder(folder, part)
            if child is None:
                if part in folder.children:
                    taken = "/".join(folders[: depth + 1])
                    raise PathConflict(f"{path} cannot be added: {taken} is a file, not a folder.")
                child = folder.children[part] = _Folder(None)
            folder = child
        existing = self._child_folder(folder, name)
        if existing is not None and existing.children:
            raise PathConflict(f"{path} cannot be added: it is a folder.")
        folder.children[name] = (blob, _mode_of(folder.children.get(name)))

    def remove(self, path: str, *, folder: bool | None) -> None:
        """Remove a file (`folder` False), a folder (True) or either (None), or EntryNotFound."""
        *parents, name = path.split("/")
        current: _Folder | None = self._root
        for part in parents:
            current = self._child_folder(current, part) if current is not None else None
        if current is None or name not in current.children:
            raise EntryNotFound(_missing(path, folder))
        is_folder = self._child_folder(current, name) is not None
        if folder is not None and folder != is_folder:
            raise EntryNotFound(_missing(path, folder))
        del current.children[name]

    def read(self, path: str) -> bytes | None:
        """The blob now at a top-level `path`, or None."""
        child = self._root.children.get(path)
        oid = child[0] if isinstance(child, tuple) else getattr(child, "id", None)
        found = self._repository.get(oid) if oid is not None else None
        return found.data if isinstance(found, pygit2.Blob) else None

    def write(self) -> pygit2.Oid:
        """Write every touched folder, deepest first."""
        return self._write(self._root) or self._repository.TreeBuilder().write()

    def _child_folder(self, folder: _Folder, name: str) -> _Folder | None:
        child = folder.children.get(name)
        if isinstance(child, pygit2.Tree):
            child = folder.children[name] = _Folder(child)
        return child if isinstance(child, _Folder) else None

    def _write(self, folder: _Folder) -> pygit2.Oid | None:
        builder = self._repository.TreeBuilder()
        for name, child in folder.children.items():
            if isinstance(child, _Folder):
                if oid := self._write(child):
                    builder.insert(name, oid, FileMode.TREE)
            elif isinstance(child, tuple):
                builder.insert(name, child[0], FileMode(child[1]))
            else:
                builder.insert(name, child.id, FileMode(child.filemode))
        return builder.write() if len(builder) else None


def _mode_of(child: object) -> int:
    """An executable stays one when its content changes; anything else becomes an ordinary file."""
    mode = child[1] if isinstance(child, tuple) else getattr(child, "filemode", FileMode.BLOB)
    return int(mode) if mode == FileMode.BLOB_EXECUTABLE else int(FileMode.BLOB)


def _missing(path: str, folder: bool | None) -> str:
    return f"A {'folder' if folder else 'file'} with this name doesn't exist: {path}"
