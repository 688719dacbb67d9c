"""What a repository cannot do, each with one sentence in the caller's own terms."""

from __future__ import annotations

import errno


class StorageError(Exception):
    """Base of the storage refusals; `message` is safe to show."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class RevisionNotFound(StorageError):
    """No branch, tag or commit has this name (wire: `RevisionNotFound`)."""

    def __init__(self, revision: str) -> None:
        super().__init__(f"Invalid rev id: {revision[:200]}")
        self.revision = revision


class EntryNotFound(StorageError):
    """The revision exists, the path in it does not (wire: `EntryNotFound`); `commit` is the resolved oid."""

    def __init__(self, message: str, commit: str = "") -> None:
        super().__init__(message)
        self.commit = commit


class ContentLost(StorageError):
    """Bytes that the rows tell of are not on disk: a damaged store, which is for the operator to mend (wire:
    410).

    No 5xx, since trying again is no help and clients would for minutes.
    """

    def __init__(self) -> None:
        super().__init__("Part of this file is missing from the hub's storage. Please tell its operator.")


class FileTooLarge(StorageError):
    """A file is larger than the reader's limit."""


class BadPath(StorageError):
    """A path that no repository here may hold (wire: 422)."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"The path {path[:200]!r} is not allowed: {reason}.")


class PathConflict(StorageError):
    """A file where a folder is wanted, or the reverse (wire: 422)."""


class StaleParent(StorageError):
    """The branch is not where the caller believed it to be (wire: 412)."""

    def __init__(self) -> None:
        super().__init__("The branch was updated since you opened this page. Please refresh and try again.")


class RefExists(StorageError):
    """A branch or tag of this name is there already (wire: 409)."""

    def __init__(self, ref: str) -> None:
        super().__init__(f"Reference {ref} already exists")


class BadRefName(StorageError):
    """Git's own grammar of reference names refuses this one (wire: 422)."""


def is_disk_full(error: BaseException) -> bool:
    """Whether an error of the system, or what libgit2 or SQLite says of one, means that the disk is full."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    told = ("No space left on device", "Disk quota exceeded", "database or disk is full")
    return any(text in str(error) for text in told)
