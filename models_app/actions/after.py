"""What follows when a reference of a repo has moved, by a commit, a push, a merge or a squash."""

from __future__ import annotations

import logging

from django.db import DatabaseError, transaction
from django.utils import timezone

from accounts.actor import Actor
from models_app.actions.indexing import index_revision
from models_app.actions.lost_commits import tell_of_lost
from models_app.actions.threads import note_commits
from models_app.discussions import pull_request_number
from models_app.models import Repo

logger = logging.getLogger(__name__)


def ref_moved(actor: Actor, repo: Repo, *, ref: str, old: str | None, new: str | None) -> None:
    """Bring the rows after a reference; call inside the transaction, with the locked row.

    `ref` is the full name, `old` and `new` commit oids (None: created, deleted). For the default branch the
    repo's head, its time and its index follow; for `refs/pr/{num}` the thread tells of the new commits.
    """
    if ref == f"refs/heads/{repo.default_branch}" and new is not None and new != repo.head_oid:
        if old is not None and old != repo.head_oid:  # a process was killed just before, and nobody has seen
            tell_of_lost(repo, before=repo.head_oid, oid=old)
        repo.head_oid, repo.last_modified = new, timezone.now()
        repo.save(update_fields=["head_oid", "last_modified"])
        index_head(repo, new)
    elif new is not None and pull_request_number(ref) is not None:
        note_commits(actor, repo, ref=ref, old=old, new=new)


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
