"""One commit: content is staged as it arrives, then everything becomes visible at once or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from django.db import transaction

from accounts.actor import Actor, Level
from models_app.actions.after import ref_moved
from models_app.actions.authors import author_of
from models_app.actions.contributions import kept_sizes, referable_sizes
from models_app.actions.events import record_event
from models_app.actions.locking import lock_repo
from models_app.actions.refusals import InvalidInput, NotUploaded
from models_app.content.filetypes import with_tracked
from models_app.discussions import access_pull_request_push, full_ref, pull_request_number
from models_app.files import git_store
from models_app.models import EventTag, Repo
from models_app.storage.errors import RevisionNotFound, StaleParent
from models_app.storage.gitcommit import build_commit, move_ref, stage
from models_app.storage.gitpack import NewBlobs
from models_app.storage.gitstore import GitStore
from models_app.storage.lfs import MAX_POINTER_BYTES, is_lfs_oid, parse_pointer
from models_app.storage.operations import AddFile, AddPointer, Operation

MAX_OPERATIONS = 50_000
MAX_SUMMARY_CHARACTERS = 1000
MAX_DESCRIPTION_CHARACTERS = 100_000


@dataclass(frozen=True)
class CommitDone:
    """The new commit and the branch that now leads to it."""

    oid: str
    branch: str


@dataclass(frozen=True)
class Staged:
    """Operations before their commit: `named` still says which large files, `ready` is what git will hold."""

    named: list[Operation]
    ready: list[Operation]

    def check_again(self, row: Repo) -> None:
        """NotUploaded when an old, unused permission was collected while the body arrived."""
        _with_sizes(self.named, kept_sizes(row, _named_objects(self.named)))

    def write(self, actor: Actor, row: Repo, *, parent: str, message: str) -> str:
        """Write the commit on `parent` and its tree, move no reference; the new oid. Raises BadPath,
        PathConflict or EntryNotFound."""
        return build_commit(
            git_store(row),
            operations=self.ready,
            parent=parent,
            author=author_of(actor),
            message=message,
            attributes=with_tracked,
        )


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

    `branch` may also be `refs/pr/{num}`, for the author of that pull request and whoever may write.
    `operations` may be a generator over a request's body: each file goes into the object store as it arrives.
    `parent` (5 to 40 hex digits), when given, must be where the branch is. Raises RevisionNotFound,
    StaleParent,
    BadPath, PathConflict, EntryNotFound, NotUploaded, InvalidInput, CredentialEnded, or the gate's refusals.
    """
    message = commit_message(summary, description)
    store = git_store(repo)
    ref, num = full_ref(branch), pull_request_number(branch)
    # All that is slow happens before the lock: other writers wait for the tree, the index and the branch
    # only.
    staged = stage_operations(actor, repo, operations)
    with transaction.atomic():
        row = _lock(actor, repo, num)
        staged.check_again(row)
        head = _head(store, branch, parent)
        oid = staged.write(actor, row, parent=head, message=message)
        ref_moved(actor, row, ref=ref, old=head, new=oid)
        if num is None:
            record_event(
                actor,
                EventTag.COMMIT_ADD,
                repo=row,
                branch=branch,
                oid=oid,
                parent=head,
                summary=summary[:200],
            )
        # Last, so that a failure above leaves git untouched; a failure here rolls the rows back.
        move_ref(store, ref, old=head, new=oid)
    return CommitDone(oid, branch)


def _lock(actor: Actor, repo: Repo, num: int | None) -> Repo:
    """The locked row, for a commit to a branch (None) or to pull request `num`."""
    if num is None:
        return lock_repo(actor, repo)
    row = lock_repo(actor, repo, Level.READ)
    # As in lock_repo, what the actor is now counts, not what they were when the body began to arrive.
    access_pull_request_push(Actor(actor.user, actor.token), row, num)
    return row


def commit_message(summary: str, description: str) -> str:
    """The whole message of a commit, or InvalidInput."""
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


def stage_operations(actor: Actor, repo: Repo, operations: Iterable[Operation]) -> Staged:
    """Put the content into the object store as it arrives.

    NotUploaded for a large file that the actor may not refer to here.
    """
    with NewBlobs(git_store(repo).repository) as blobs:
        staged = _stage_all(blobs, operations)
        named = _with_sizes(staged, referable_sizes(actor, repo, _named_objects(staged)))
        return Staged(named, [stage(blobs, operation) for operation in named])


def _stage_all(blobs: NewBlobs, operations: Iterable[Operation]) -> list[Operation]:
    staged: list[Operation] = []
    for operation in operations:
        if len(staged) >= MAX_OPERATIONS:
            raise InvalidInput(f"One commit may change at most {MAX_OPERATIONS} files; split it.")
        pointed = _pointer_as_such(operation)
        staged.append(pointed if isinstance(pointed, AddPointer) else stage(blobs, pointed))
    return staged


def _pointer_as_such(operation: Operation) -> Operation:
    """A pointer committed as ordinary text needs the content it names just as well."""
    if isinstance(operation, AddFile) and len(operation.content) < MAX_POINTER_BYTES:
        pointer = parse_pointer(operation.content)
        if pointer is not None:
            return AddPointer(operation.path, pointer.sha256, pointer.size)
    return operation


def _head(store: GitStore, branch: str, parent: str | None) -> str:
    head = store.ref_oid(full_ref(branch))
    if head is None:
        raise RevisionNotFound(branch)
    if parent is not None and not head.startswith(parent.lower()):
        raise StaleParent
    return head


def _named_objects(operations: Sequence[Operation]) -> list[str]:
    wanted = {operation.sha256 for operation in operations if isinstance(operation, AddPointer)}
    return [sha256 for sha256 in wanted if is_lfs_oid(sha256)]


def _with_sizes(operations: Sequence[Operation], sizes: dict[str, int]) -> list[Operation]:
    """The operations with every pointer's size known; NotUploaded where `sizes` does not tell it."""
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
