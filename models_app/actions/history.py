"""History made anew: one commit of a branch, or no trace of a large file. `repo` comes from the gate."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from accounts.actor import Actor
from models_app.actions.after import ref_moved
from models_app.actions.authors import author_of
from models_app.actions.content import batches
from models_app.actions.events import record_event
from models_app.actions.locking import lock_repo
from models_app.actions.refusals import InvalidInput
from models_app.files import git_store
from models_app.models import EventTag, Repo, RepoFile
from models_app.storage.errors import StaleParent
from models_app.storage.gitcommit import move_ref
from models_app.storage.gitlfs import all_refs
from models_app.storage.gitrewrite import retarget, squashed, without_files
from models_app.storage.gitstore import GitStore

MAX_MESSAGE_CHARACTERS = 1000
MAX_DELETIONS = 1000
_SQUASHABLE = ("refs/heads/", "refs/pr/")


def squash_history(actor: Actor, *, repo: Repo, ref: str, message: str) -> str:
    """Make one commit of a branch (or of `refs/pr/N`) and everything before it; the new commit's oid.

    Other references keep their history. Raises RevisionNotFound, InvalidInput for a tag or a commit.
    """
    message = message.strip()
    if not message or len(message) > MAX_MESSAGE_CHARACTERS or "\0" in message:
        raise InvalidInput(
            f"The message must have 1 to {MAX_MESSAGE_CHARACTERS} characters, none of them NUL."
        )
    with transaction.atomic():
        row = lock_repo(actor, repo)
        store = git_store(row)
        name, old = _branch(store, ref)
        new = squashed(store, old, author=author_of(actor), message=message)
        ref_moved(actor, row, ref=name, old=old, new=new)
        record_event(actor, EventTag.REPO_SQUASH, repo=row, ref=name, old=old, oid=new)
        move_ref(store, name, old=old, new=new)
    return new


def _branch(store: GitStore, ref: str) -> tuple[str, str]:
    """The full name of a branch or pull request, and its commit."""
    name = ref if ref.startswith(_SQUASHABLE) else f"refs/heads/{ref}"
    oid = store.ref_oid(name)
    if oid is not None:
        return name, oid
    store.resolve(ref)
    raise InvalidInput(f"Only a branch can be squashed: {ref[:200]!r} is a tag or a commit.")


def delete_large_files(
    actor: Actor, *, repo: Repo, sha256s: Sequence[str], rewrite_history: bool = True
) -> int:
    """Take large files away from the repo for good; how many it had.

    With `rewrite_history` every reference that held one gets a history in which it never was; without it the
    pointers stay, leading nowhere. Names the repo does not know are passed over. The bytes go when nothing
    refers to them any more. Raises StaleParent when a reference moves at the same time.
    """
    if len(sha256s) > MAX_DELETIONS:
        raise InvalidInput(f"At most {MAX_DELETIONS} files can be deleted at once.")
    store = git_store(repo)
    # The slow part, before the lock; below it is checked that nothing has moved since.
    refs = all_refs(store, repo.default_branch)
    moves = without_files(store, refs, _held(repo, sha256s)) if rewrite_history else []
    with transaction.atomic():
        row = lock_repo(actor, repo)
        if rewrite_history and all_refs(store, row.default_branch) != refs:
            raise StaleParent
        held = _held(row, sha256s)
        for batch in batches(held):
            RepoFile.objects.filter(repo=row, file__sha256__in=batch).delete()
        for move in moves:
            # To the thread of a pull request the same commits under new names would be nothing but noise.
            if not move.name.startswith("refs/pr/"):
                ref_moved(actor, row, ref=move.name, old=move.old, new=move.new)
        if held:
            record_event(
                actor,
                EventTag.FILES_DELETE,
                repo=row,
                count=len(held),
                rewritten=[{"ref": move.name, "old": move.old, "new": move.new} for move in moves[:100]],
            )
        for move in moves:
            retarget(store, move.name, old_target=move.old_target, new_target=move.new_target)
    return len(held)


def _held(repo: Repo, sha256s: Sequence[str]) -> list[str]:
    """Those of the names that the repo may refer to."""
    found: list[str] = []
    for batch in batches(list(dict.fromkeys(sha256s))):
        rows = RepoFile.objects.filter(repo=repo, file__sha256__in=batch)
        found += rows.values_list("file__sha256", flat=True)
    return found
