"""A copy of a repo under another id: history, files and card; not its people's likes, talk or requests."""

from __future__ import annotations

from collections.abc import Collection

from django.db import IntegrityError, transaction

from accounts.actor import Actor, Level
from accounts.models import Namespace
from models_app import access
from models_app.actions.after import index_head
from models_app.actions.content import batches, permit_files
from models_app.actions.events import record_event
from models_app.actions.locking import lock_repo
from models_app.actions.refusals import RepoExists
from models_app.actions.repos import check_repo_name, forget_redirects, refuse_visible_twin, remove_git
from models_app.files import git_store
from models_app.large_files import held_by
from models_app.models import EventTag, Recipe, Repo, RepoType
from models_app.storage.gitcopy import copy_refs
from models_app.storage.gitlfs import all_refs, sightings


def duplicate_repo(
    actor: Actor, *, source: Repo, namespace: str | None, name: str, private: bool | None = None
) -> Repo:
    """Copy `source`, whose content the gate lets the actor read, to `namespace` (None: the actor's own).

    Branches, tags and conversions come along with their history, pull requests do not; large files are
    referred to, not copied. `private` None keeps the source's visibility; its gate stays. Raises RepoExists,
    InvalidInput, or the gate's refusals.
    """
    check_repo_name(name)
    if namespace is not None:
        refuse_visible_twin(actor, source.repo_type, f"{namespace}/{name}")
    place = access.access_namespace(actor, namespace, Level.WRITE)
    _refuse_taken(source.repo_type, place, name)
    copy = Repo(
        repo_type=source.repo_type,
        namespace=place,
        name=name,
        private=source.private if private is None else private,
        gated=source.gated,
        default_branch=source.default_branch,
    )
    try:
        wanted = _copy_git(source, copy)
        with transaction.atomic():
            _save(actor, source, copy, wanted)
    except IntegrityError:
        remove_git(copy)
        _refuse_taken(source.repo_type, place, name)
        raise
    except BaseException:
        remove_git(copy)
        raise
    return copy


def _copy_git(source: Repo, copy: Repo) -> Collection[str]:
    """Fetch before any lock, it may take long; the sha256s of the large files that the copy's history names.

    Only those: what was merely uploaded to the source, or to a pull request, is not the reader's to have.
    """
    store = git_store(copy)
    store.init(copy.default_branch)
    copy_refs(git_store(source).path, store.path)
    copy.head_oid = store.ref_oid(f"refs/heads/{copy.default_branch}") or ""
    return sightings(store, all_refs(store, copy.default_branch)).keys()


def _save(actor: Actor, source: Repo, copy: Repo, wanted: Collection[str]) -> None:
    # Both may have been closed to the actor while git was copying.
    lock_repo(actor, source, Level.READ)
    access.access_namespace(Actor(actor.user, actor.token), copy.namespace.name, Level.WRITE)
    copy.save(force_insert=True)
    forget_redirects(copy)
    for batch in batches(list(wanted)):
        held = held_by(source).filter(sha256__in=batch)
        permit_files(copy, held.values_list("pk", flat=True))
    if copy.head_oid:
        index_head(copy, copy.head_oid)
        Recipe.objects.filter(repo=copy, repo__repo_type=RepoType.RECIPE).update(forked_from=source)
    record_event(
        actor,
        EventTag.REPO_DUPLICATE,
        repo=copy,
        repo_type=copy.repo_type,
        repo_id=copy.repo_id,
        source=source.repo_id,
    )


def _refuse_taken(repo_type: str, place: Namespace, name: str) -> None:
    rows = Repo.objects.select_related("namespace").named(repo_type, f"{place.name}/{name}")
    taken = rows.first()
    if taken is not None:
        raise RepoExists(taken)
