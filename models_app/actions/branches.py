"""Branches and tags. `repo` arguments come from the gate; every reference moves under the repo's lock."""

from __future__ import annotations

from django.db import transaction

from accounts.actor import Actor
from models_app.actions.authors import author_of
from models_app.actions.events import record_event
from models_app.actions.locking import lock_repo
from models_app.actions.reach import check_held
from models_app.actions.refusals import InvalidInput
from models_app.files import git_store
from models_app.models import EventTag, Repo
from models_app.storage import gitcommit
from models_app.storage.errors import BadRefName, RevisionNotFound

MAX_REFERENCES = 5000


def create_branch(actor: Actor, *, repo: Repo, branch: str, starting_point: str | None = None) -> str:
    """Make a branch at a revision (None: the default branch); the commit it leads to.

    Raises RevisionNotFound, RefExists or BadRefName.
    """
    _check_name(branch)
    with transaction.atomic():
        row = lock_repo(actor, repo)
        store = git_store(row)
        oid = store.resolve(starting_point or row.default_branch)
        check_held(row, store, oid)
        _check_room(repo)
        record_event(actor, EventTag.BRANCH_CREATE, repo=row, branch=branch, oid=oid)
        gitcommit.create_ref(store, f"refs/heads/{branch}", oid)
    return oid


def delete_branch(actor: Actor, *, repo: Repo, branch: str) -> None:
    """Remove a branch; InvalidInput for the default one, RevisionNotFound for a missing one."""
    with transaction.atomic():
        row = lock_repo(actor, repo)
        if branch == row.default_branch:
            raise InvalidInput(f"Cannot delete refs/heads/{branch}")
        _check_there(row, f"refs/heads/{branch}")
        record_event(actor, EventTag.BRANCH_DELETE, repo=row, branch=branch)
        gitcommit.delete_ref(git_store(row), f"refs/heads/{branch}")


def create_tag(actor: Actor, *, repo: Repo, tag: str, revision: str, message: str | None = None) -> str:
    """Tag a revision; the commit it leads to. The revision is checked before the name (wire section 7)."""
    with transaction.atomic():
        row = lock_repo(actor, repo)
        store = git_store(row)
        oid = store.resolve(revision)
        check_held(row, store, oid)
        _check_name(tag)
        _check_room(repo)
        record_event(actor, EventTag.TAG_CREATE, repo=row, tag_name=tag, oid=oid)
        gitcommit.create_tag(store, tag, oid, author=author_of(actor), message=message)
    return oid


def delete_tag(actor: Actor, *, repo: Repo, tag: str) -> None:
    """Remove a tag; RevisionNotFound when there is no tag of this name (a branch is none)."""
    with transaction.atomic():
        row = lock_repo(actor, repo)
        _check_there(row, f"refs/tags/{tag}")
        record_event(actor, EventTag.TAG_DELETE, repo=row, tag_name=tag)
        gitcommit.delete_ref(git_store(row), f"refs/tags/{tag}")


def _check_there(repo: Repo, ref: str) -> None:
    # Before the event names it: a text with NUL is no reference to git, and PostgreSQL cannot store it.
    if git_store(repo).ref_oid(ref) is None:
        raise RevisionNotFound(ref.split("/", 2)[-1])


def _check_name(name: str) -> None:
    if name.startswith("refs/") or name in ("HEAD", "") or "\0" in name:
        raise BadRefName(f"{name[:200]!r} is not a valid reference name")


def _check_room(repo: Repo) -> None:
    branches, tags = git_store(repo).refs()
    if len(branches) + len(tags) >= MAX_REFERENCES:
        raise InvalidInput(f"A repo may have at most {MAX_REFERENCES} branches and tags.")
