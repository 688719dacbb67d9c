"""Repos come, change and go. `repo` arguments come from the gate."""

from __future__ import annotations

import re
import shutil

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.actor import Actor, Level
from accounts.models import Namespace
from models_app import access, search
from models_app.actions.after import index_head
from models_app.actions.authors import author_of
from models_app.actions.events import record_event
from models_app.actions.locking import lock_repo
from models_app.actions.refusals import InvalidInput, RepoExists
from models_app.content.first_files import SDKS, first_files
from models_app.files import git_store
from models_app.models import FORUM_NAMESPACE, EventTag, Repo, RepoRedirect, RepoType
from models_app.storage.gitcommit import write_commit
from models_app.storage.operations import AddFile
from models_app.thread_search import forget_threads

_NAME = re.compile(r"[A-Za-z0-9_](?:[\w.-]{0,94}[A-Za-z0-9_])?", re.ASCII)
_GATES = ("false", "auto", "manual")


def check_repo_name(name: str) -> str:
    """The name itself, or InvalidInput: the stock client's own rule, so that no repo is out of its reach."""
    if not _NAME.fullmatch(name) or "--" in name or ".." in name or name.lower().endswith(".git"):
        raise InvalidInput(
            f"{name[:100]!r} is not a valid repo name: use 1 to 96 letters, digits, '-', '_' or '.'; "
            "'-' and '.' not at the ends, no '--' or '..', and not ending in '.git'."
        )
    return name


def create_repo(
    actor: Actor,
    *,
    repo_type: str,
    namespace: str | None,
    name: str,
    private: bool | None = None,
    sdk: str = "static",
) -> Repo:
    """Make a repo whose first commit holds `.gitattributes` (and a space's card, which names its `sdk`).

    `namespace` None is the actor's own; `private` None is what the organization prefers (public for people).
    Raises RepoExists, InvalidInput, or the gate's refusals.
    """
    if repo_type not in RepoType.values:
        raise InvalidInput(f"Repos of type {repo_type[:20]!r} are not supported by this hub.")
    check_repo_name(name)
    if repo_type == RepoType.FORUM and (namespace or "").lower() != FORUM_NAMESPACE:
        raise InvalidInput("Topics of the forum are made by the hub's staff.")
    if repo_type == RepoType.SPACE and sdk not in SDKS:
        raise InvalidInput(f"A space's 'sdk' must be one of {', '.join(SDKS)}.")
    if namespace is not None:
        refuse_visible_twin(actor, repo_type, f"{namespace}/{name}")
    place = access.access_namespace(actor, namespace, Level.WRITE)
    repo = Repo(
        repo_type=repo_type,
        namespace=place,
        name=name,
        private=_starts_private(place) if private is None else private,
    )
    try:
        with transaction.atomic():
            repo.save(force_insert=True)
            forget_redirects(repo)
            _first_commit(actor, repo, sdk)
            record_event(actor, EventTag.REPO_CREATE, repo=repo, repo_type=repo_type, repo_id=repo.repo_id)
    except IntegrityError:
        remove_git(repo)
        taken = Repo.objects.named(repo_type, f"{place.name}/{name}").first()
        if taken is None:
            raise
        raise RepoExists(taken) from None
    except BaseException:
        remove_git(repo)
        raise
    return repo


def refuse_visible_twin(actor: Actor, repo_type: str, repo_id: str) -> None:
    """RepoExists when the id is taken by a repo that the actor may know of."""
    if "\0" in repo_id:  # PostgreSQL has no text with NUL; the namespace will not be found
        return
    # "It exists" comes before "you may not": a worker re-running its publish step may write but not create.
    taken = Repo.objects.visible_to(actor).select_related("namespace").named(repo_type, repo_id).first()
    if taken is not None:
        raise RepoExists(taken)


def _starts_private(namespace: Namespace) -> bool:
    return namespace.organization is not None and namespace.organization.private_by_default


def forget_redirects(repo: Repo) -> None:
    """A repo of this id is here now, so it no longer leads to one that had it before."""
    old = {"namespace_name__lower": repo.namespace.name.lower(), "name__lower": repo.name.lower()}
    RepoRedirect.objects.filter(repo_type=repo.repo_type, **old).delete()


def _first_commit(actor: Actor, repo: Repo, sdk: str) -> None:
    store = git_store(repo)
    store.init(repo.default_branch)
    files = first_files(repo.repo_type, repo.name, sdk)
    repo.head_oid = write_commit(
        store,
        branch=repo.default_branch,
        operations=[AddFile(path, content) for path, content in files.items()],
        parent=None,
        author=author_of(actor, repo.created_at),
        message="initial commit",
    )
    repo.save(update_fields=["head_oid"])
    index_head(repo, repo.head_oid)


def delete_repo(actor: Actor, *, repo: Repo) -> None:
    """Remove the repo, its index and its git directory; large files stay for the collector of garbage."""
    with transaction.atomic():
        row = lock_repo(actor, repo, Level.ADMIN)
        record_event(
            actor,
            EventTag.REPO_DELETE,
            repo_type=row.repo_type,
            repo_id=row.repo_id,
            uuid=str(row.uuid),
            pk=row.pk,
        )
        search.forget_repo(row.pk)
        forget_threads(row.pk)
        row.delete()
        transaction.on_commit(lambda: remove_git(repo))


def remove_git(repo: Repo) -> None:
    """Delete the git directory; the row is gone, or never was."""
    shutil.rmtree(git_store(repo).path, ignore_errors=True)


def change_settings(
    actor: Actor,
    *,
    repo: Repo,
    private: bool | None = None,
    gated: str | None = None,
    discussions_disabled: bool | None = None,
) -> Repo:
    """Change visibility, gate, or whether people may discuss; None leaves a setting as it is."""
    if gated is not None and gated not in _GATES:
        raise InvalidInput("'gated' must be one of auto, manual or false.")
    with transaction.atomic():
        row = lock_repo(actor, repo, Level.ADMIN)
        wanted = {"private": private, "gated": gated, "discussions_disabled": discussions_disabled}
        changed = {k: v for k, v in wanted.items() if v is not None and getattr(row, k) != v}
        for name, value in changed.items():
            setattr(row, name, value)
        if changed:
            row.save(update_fields=list(changed))
            record_event(actor, EventTag.REPO_SETTINGS, repo=row, changed=changed)
    return row


def disable_repo(actor: Actor, *, repo: Repo, reason: str) -> None:
    """Take a repo out of service (staff only); `enable_repo` is the inverse."""
    _moderate(actor, repo, EventTag.REPO_DISABLE, disabled=True, reason=reason)


def enable_repo(actor: Actor, *, repo: Repo, reason: str) -> None:
    """Put a disabled repo back into service (staff only)."""
    _moderate(actor, repo, EventTag.REPO_ENABLE, disabled=False, reason=reason)


def _moderate(actor: Actor, repo: Repo, tag: EventTag, *, disabled: bool, reason: str) -> None:
    if actor.user is None or not actor.user.is_staff:
        raise access.Forbidden("Only moderators may disable or enable a repo.")
    with transaction.atomic():
        changed = Repo.objects.filter(pk=repo.pk, disabled_at__isnull=disabled).update(
            disabled_at=timezone.now() if disabled else None
        )
        if changed:
            record_event(actor, tag, repo=repo, reason=reason)
