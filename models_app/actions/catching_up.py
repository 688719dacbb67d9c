"""After a process was killed: where git has moved and the rows have not, the rows follow."""

from __future__ import annotations

import logging

from django.db import transaction
from django.utils import timezone

from models_app.actions.after import index_head
from models_app.actions.lost_commits import tell_of_lost
from models_app.files import git_store
from models_app.models import Repo

logger = logging.getLogger(__name__)


def catch_up() -> int:
    """Bring the head, the index and the log of every repo to where its default branch is; how many were
    behind.

    A branch moves inside the transaction that tells of it, last before its end: a kill between the two leaves
    the new state in git, which is the truth (decision 0002), and the old one in lists and searches.
    """
    rows = Repo.objects.values_list("pk", "uuid", "default_branch", "head_oid")
    behind = [pk for pk, key, branch, head in rows.iterator() if _loose_head(Repo(uuid=key), branch) != head]
    return sum(_bring_up(pk) for pk in behind)


def _loose_head(repo: Repo, branch: str) -> str:
    """The branch's oid as its file has it, without opening the repository; empty when it is packed or
    gone."""
    try:
        return (git_store(repo).path / "refs/heads" / branch).read_text("ascii").strip()
    except (OSError, ValueError):
        return ""


def _bring_up(pk: int) -> bool:
    with transaction.atomic():
        repo = Repo.objects.select_for_update(of=("self",)).select_related("namespace").filter(pk=pk).first()
        if repo is None or not git_store(repo).path.is_dir():
            return False
        head = git_store(repo).ref_oid(f"refs/heads/{repo.default_branch}")
        if head is None or head == repo.head_oid:
            return False
        logger.warning("%s was behind its branch %s and follows to %s", repo, repo.default_branch, head)
        before = repo.head_oid
        repo.head_oid, repo.last_modified = head, timezone.now()
        repo.save(update_fields=["head_oid", "last_modified"])
        index_head(repo, head)
        tell_of_lost(repo, before=before, oid=head)
    return True
