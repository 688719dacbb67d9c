"""A repo gets another name or another owner. `repo` arguments come from the gate."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from accounts.actor import Actor, Level
from accounts.tokens import rename_scope
from models_app import access
from models_app.access import Refusal
from models_app.actions.after import index_head
from models_app.actions.events import record_event
from models_app.actions.locking import lock_repo
from models_app.actions.refusals import RepoExists
from models_app.actions.repos import check_repo_name, forget_redirects
from models_app.models import EventTag, Repo, RepoRedirect


class NameTaken(RepoExists):
    """The id a repo was to be moved to has a repo already."""

    def __init__(self, repo: Repo) -> None:
        message = f"A {repo.repo_type} repository called {repo.repo_id} already exists."
        Refusal.__init__(self, message)
        self.repo = repo


def move_repo(actor: Actor, *, repo: Repo, namespace: str, name: str) -> Repo:
    """Rename the repo or give it to another namespace; both sides need an administrator.

    The old id leads here until another repo takes it. Fine-grained tokens that list the repo follow it.
    Raises NameTaken, InvalidInput, or the gate's refusals.
    """
    check_repo_name(name)
    place = access.access_namespace(actor, namespace, Level.ADMIN)
    try:
        with transaction.atomic():
            row = lock_repo(actor, repo, Level.ADMIN)
            _refuse_taken(row, f"{place.name}/{name}")
            old_namespace, old_name, old_id = row.namespace.name, row.name, row.repo_id
            row.namespace, row.name = place, name
            row.save(update_fields=["namespace", "name"])
            forget_redirects(row)
            if old_id.lower() != row.repo_id.lower():
                _leave_redirect(row, old_namespace, old_name)
            rename_scope(f"{row.repo_type}:{old_id}", f"{row.repo_type}:{row.repo_id}")
            # The search knows the name, and the card's own links begin with it.
            index_head(row, row.head_oid)
            record_event(
                actor,
                EventTag.REPO_MOVE,
                repo=row,
                repo_type=row.repo_type,
                from_id=old_id,
                to_id=row.repo_id,
            )
    except IntegrityError:
        _refuse_taken(repo, f"{place.name}/{name}")
        raise
    return row


def _refuse_taken(repo: Repo, repo_id: str) -> None:
    rows = Repo.objects.select_related("namespace").named(repo.repo_type, repo_id)
    taken = rows.exclude(pk=repo.pk).first()
    if taken is not None:
        raise NameTaken(taken)


def _leave_redirect(repo: Repo, namespace: str, name: str) -> None:
    RepoRedirect.objects.create(repo_type=repo.repo_type, namespace_name=namespace, name=name, repo=repo)
