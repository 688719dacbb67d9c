"""One commit: content is staged as it arrives, then everything becomes visible at once or not at all."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from django.db import DatabaseError, transaction
from django.utils import timezone

from accounts.actor import Actor
from models_app.actions.authors import author_of
from models_app.actions.events import record_event
from models_app.actions.indexing import index_revision
from models_app.actions.locking import lock_repo
from models_app.actions.refusals import InvalidInput, NotUploaded
from models_app.content.filetypes import with_tracked
from models_app.files import git_store
from models_app.models import EventTag, LargeFile, Repo
from models_app.storage.errors import RevisionNotFound, StaleParent
from models_app.storage.gitcommit import build_commit, move_branch, stage
from models_app.storage.gitstore import GitStore
from models_app.storage.lfs import MAX_POINTER_BYTES, is_lfs_oid, parse_pointer
from models_app.storage.operations import AddFile, AddPointer, Operation

logger = logging.getLogger(__name__)
MAX_OPERATIONS = 50_000
MAX_SUMMARY_CHARACTERS = 1000
MAX_DESCRIPTION_CHARACTERS = 100_000


@dataclass(frozen=True)
class CommitDone:
    """The new commit and the branch that now leads to it."""

    oid: str
    branch: str


def commit(
    actor: Actor,
    *,
    repo: Repo,
    branch: str,
    operations: Iterable[Operation],
    summary: str,
    description: str = "",
    parent: str | None = None,
) -> CommitDone:
    """Apply `operations` in order on top of `branch`; the branch moves last, by compare-and-swap.

    `operations` may be a generator over a request's body: each file goes into the object store as it arrives.
    `parent` (5 to 40 hex digits), when given, must be where the branch is. Raises RevisionNotFound,
    StaleParent,
    BadPath, PathConflict, EntryNotFound, NotUploaded, InvalidInput, CredentialEnded, or the gate's refusals.
    """
    message = _message(summary, description)
    store = git_store(repo)
    # All that is slow happens before the lock: other writers wait for the tree, the index and the branch
    # only.
    staged = [stage(store, operation) for operation in _with_sizes(repo, _stage_all(store, operations))]
    with transaction.atomic():
        row = lock_repo(actor, repo)
        head = _head(store, branch, parent)
        oid = build_commit(
            store,
            operations=staged,
            parent=head,
            author=author_of(actor),
            message=message,
            attributes=with_tracked,
        )
        if branch == row.default_branch:
            row.head_oid, row.last_modified = oid, timezone.now()
            row.save(update_fields=["head_oid", "last_modified"])
            index_head(row, oid)
        record_event(
            actor, EventTag.COMMIT_ADD, repo=row, branch=branch, oid=oid, parent=head, summary=summary[:200]
        )
        # Last, so that a failure above leaves git untouched; a failure here rolls the rows back.
        move_branch(store, branch, old=head, new=oid)
    return CommitDone(oid, branch)


def index_head(repo: Repo, oid: str) -> None:
    """Index the new head; a fault in the index costs the index, never the commit (`manage.py reindex`
    repairs)."""
    try:
        with transaction.atomic():
            index_revision(repo, oid)
    except (OSError, DatabaseError):
        raise  # a full disk or a busy database: the whole commit fails, and says so
    except Exception:
        logger.exception("%s could not be indexed at %s", repo, oid)


def _message(summary: str, description: str) -> str:
    title = summary.strip()
    if not title:
        raise InvalidInput("A commit needs a summary.")
    if len(title) > MAX_SUMMARY_CHARACTERS:
        raise InvalidInput(f"The commit summary is longer than {MAX_SUMMARY_CHARACTERS} characters.")
    if len(description) > MAX_DESCRIPTION_CHARACTERS:
        raise InvalidInput(f"The commit description is longer than {MAX_DESCRIPTION_CHARACTERS} characters.")
    if "\0" in title + description:
        raise InvalidInput("A commit message must not contain NUL characters.")
    body = description.strip()
    return f"{title}\n\n{body}" if body else title


def _stage_all(store: GitStore, operations: Iterable[Operation]) -> list[Operation]:
    staged: list[Operation] = []
    for operation in operations:
        if len(staged) >= MAX_OPERATIONS:
            raise InvalidInput(f"One commit may change at most {MAX_OPERATIONS} files; split it.")
        pointed = _pointer_as_such(operation)
        staged.append(pointed if isinstance(pointed, AddPointer) else stage(store, pointed))
    return staged


def _pointer_as_such(operation: Operation) -> Operation:
    """A pointer committed as ordinary text needs the content it names just as well."""
    if isinstance(operation, AddFile) and len(operation.content) < MAX_POINTER_BYTES:
        pointer = parse_pointer(operation.content)
        if pointer is not None:
            return AddPointer(operation.path, pointer.sha256, pointer.size)
    return operation


def _head(store: GitStore, branch: str, parent: str | None) -> str:
    head = store.ref_oid(f"refs/heads/{branch}")
    if head is None:
        raise RevisionNotFound(branch)
    if parent is not None and not head.startswith(parent.lower()):
        raise StaleParent
    return head


def _with_sizes(repo: Repo, operations: Sequence[Operation]) -> list[Operation]:
    """The operations with every pointer's size known; NotUploaded unless each may be referred to by this
    repo."""
    wanted = {operation.sha256 for operation in operations if isinstance(operation, AddPointer)}
    sizes = _sizes(repo, [sha256 for sha256 in wanted if is_lfs_oid(sha256)])
    return [
        _sized(operation, sizes) if isinstance(operation, AddPointer) else operation
        for operation in operations
    ]


def _sized(operation: AddPointer, sizes: dict[str, int]) -> AddPointer:
    size = sizes.get(operation.sha256)
    if size is None:
        raise NotUploaded(
            f"{operation.path} names {operation.sha256[:64]}, a large file never uploaded to this repo."
        )
    if operation.size not in (None, size):
        raise NotUploaded(
            f"{operation.path} has {size} bytes as uploaded, but the commit says {operation.size}."
        )
    return replace(operation, size=size)


def _sizes(repo: Repo, sha256s: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for start in range(0, len(sha256s), 500):
        rows = LargeFile.objects.filter(repo_files__repo=repo, sha256__in=sha256s[start : start + 500])
        found.update(rows.values_list("sha256", "size"))
    return found
