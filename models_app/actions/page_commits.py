"""Commits made on a page: nothing that somebody changed meanwhile is lost, and said twice it is done once."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import pygit2
from django.db import transaction

from accounts.actor import Actor, Level
from models_app.access import Refusal
from models_app.actions.commits import commit
from models_app.actions.locking import lock_repo
from models_app.actions.preupload import FileToUpload, plan_upload
from models_app.actions.pull_requests import open_with_commit
from models_app.actions.refusals import InvalidInput
from models_app.actions.threads import title_of_commit
from models_app.actions.uploads import store_lfs_object
from models_app.discussions import full_ref
from models_app.files import git_store
from models_app.models import Discussion, DiscussionStatus, Repo
from models_app.storage.errors import RevisionNotFound, StaleParent
from models_app.storage.gitstore import Entry, GitStore
from models_app.storage.lfs import Pointer
from models_app.storage.operations import (
    AddBlob,
    AddFile,
    AddPointer,
    DeleteEntry,
    DeleteFile,
    DeleteFolder,
    Operation,
)
from models_app.storage.streams import Body

_SAMPLE_BYTES = 512
_TRIES = 5
_REQUESTS_COMPARED = 5


class ChangedMeanwhile(Refusal):
    """Somebody else changed the same files since the form was made; `head` is where the branch is now."""

    def __init__(self, paths: Sequence[str], head: str) -> None:
        super().__init__(f"Changed meanwhile: {', '.join(paths[:5])}.")
        self.paths = list(paths)
        self.head = head


@dataclass(frozen=True)
class Change:
    """What a form asks for: operations on top of what it showed (`base`, a full oid), and how to say so."""

    branch: str
    base: str
    operations: Sequence[Operation]
    summary: str
    description: str = ""


@dataclass(frozen=True)
class Done:
    """The commit; `request` is the pull request that holds it, if one was asked for."""

    oid: str
    request: Discussion | None = None


def commit_change(actor: Actor, *, repo: Repo, change: Change) -> Done:
    """Commit to the branch, on top of whatever else was committed since the form was made.

    Raises ChangedMeanwhile where the same paths were changed, InvalidInput where nothing would change, and
    what `commits.commit` raises.
    """
    for _ in range(_TRIES):
        store = git_store(repo)
        head = store.ref_oid(full_ref(change.branch))
        if head is None:
            raise RevisionNotFound(change.branch)
        if _is_there(store, head, change.operations):
            if head == change.base or not _changed(store, change, head):
                raise InvalidInput("Nothing was changed.")
            return Done(head)  # the same form, sent twice
        if changed := _changed(store, change, head):
            raise ChangedMeanwhile(changed, head)
        try:
            done = commit(
                actor,
                repo=repo,
                branch=change.branch,
                operations=change.operations,
                summary=change.summary,
                description=change.description,
                parent=head,
            )
        except StaleParent:
            continue  # a commit came between; look at it
        return Done(done.oid)
    raise StaleParent


def offer_change(actor: Actor, *, repo: Repo, change: Change) -> Done:
    """Open a pull request with the change, made on what the form showed; the same form twice opens one.

    Raises InvalidInput where nothing would change, and what `pull_requests.open_with_commit` raises.
    """
    store = git_store(repo)
    if _is_there(store, change.base, change.operations):
        raise InvalidInput("Nothing was changed.")
    with transaction.atomic():
        lock_repo(actor, repo, Level.READ)
        known = _same_request(actor, repo, store, change)
        if known is not None:
            return known
        opened, done = open_with_commit(
            actor,
            repo=repo,
            branch=change.branch,
            operations=change.operations,
            summary=change.summary,
            description=change.description,
            parent=change.base,
        )
    return Done(done.oid, opened)


def place_content(actor: Actor, *, repo: Repo, branch: str, path: str, size: int, body: Body) -> Operation:
    """The operation that puts these bytes at `path`: as a large file where the repo's rules or the bytes say
    so. Raises what `preupload.plan_upload` and `uploads.store_lfs_object` raise."""
    data = body.read(size)
    file = FileToUpload(path, len(data), data[:_SAMPLE_BYTES])
    plan = plan_upload(repo=repo, branch=branch, files=[file]).files[0]
    if plan.mode == "regular":
        return AddFile(path, data)
    pointer = Pointer(hashlib.sha256(data).hexdigest(), len(data))
    store_lfs_object(actor, repo=repo, pointer=pointer, body=io.BytesIO(data))
    return AddPointer(path, pointer.sha256, pointer.size)


def moved(entry: Entry, path: str) -> list[Operation]:
    """The operations that move a file as it is to another path."""
    added: Operation = AddBlob(path, entry.oid)
    if entry.pointer is not None:
        added = AddPointer(path, entry.pointer.sha256, entry.pointer.size)
    return [DeleteFile(entry.path), added]


def _changed(store: GitStore, change: Change, head: str) -> list[str]:
    """The paths of the change that are not in `head` what they were when the form was made."""
    if head == change.base:
        return []
    paths = dict.fromkeys(operation.path for operation in change.operations)
    return [path for path in paths if _oid(store, head, path) != _oid(store, change.base, path)]


def _oid(store: GitStore, commit_oid: str, path: str) -> str:
    entry = store.entry(commit_oid, path)
    return entry.oid if entry is not None else ""


def _is_there(store: GitStore, oid: str, operations: Sequence[Operation]) -> bool:
    """Whether commit `oid` holds already what the operations would make of it."""
    return all(_is_done(store.entry(oid, operation.path), operation) for operation in operations)


def _is_done(entry: Entry | None, operation: Operation) -> bool:
    match operation:
        case DeleteFile() | DeleteFolder() | DeleteEntry():
            return entry is None
        case AddFile(_, content):
            return entry is not None and entry.oid == str(pygit2.hash(content))
        case AddBlob(_, oid):
            return entry is not None and entry.oid == oid
        case AddPointer(_, sha256):
            return entry is not None and entry.etag == sha256
    return False


def _same_request(actor: Actor, repo: Repo, store: GitStore, change: Change) -> Done | None:
    """The pull request that this very form has opened before."""
    rows = Discussion.objects.filter(
        repo=repo,
        author=actor.user,
        is_pull_request=True,
        status=DiscussionStatus.OPEN,
        target_branch=change.branch,
        title=title_of_commit(change.summary),
    )
    for row in rows.order_by("-num")[:_REQUESTS_COMPARED]:
        head = store.ref_oid(row.git_ref)
        if head is None or not _is_there(store, head, change.operations):
            continue
        if change.base in store.commit(head).parents:
            return Done(head, row)
    return None
