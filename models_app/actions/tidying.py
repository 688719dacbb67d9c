"""Housekeeping of git directories, which commits and pushes clutter. Only references need a lock."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from models_app.files import git_store
from models_app.models import Event, EventTag, Repo
from models_app.storage.gittidy import KEEP_DAYS, TidyFailed, clutter, pack_refs, tidy
from models_app.storage.quarantine import sweep

logger = logging.getLogger(__name__)
# After these, objects that nothing leads to are kept whatever their age: the history may be wanted back, and
# the collector keeps its large files (docs/admins/storage.md).
_TAKING_AWAY = (EventTag.REPO_SQUASH, EventTag.BRANCH_DELETE, EventTag.TAG_DELETE)
_ALL_DAYS = 3650
# A repo in which nothing has happened for longer is as tidy as it was then.
LOOKED_BACK = timedelta(days=2)


def cluttered(now: datetime) -> Iterator[Repo]:
    """Repos in which something happened lately and whose git directory needs tidying."""
    events = Event.objects.filter(at__gt=now - LOOKED_BACK, repo__isnull=False)
    keys = list(events.order_by("repo_id").values_list("repo_id", flat=True).distinct())
    return (repo for repo in _living(keys) if clutter(git_store(repo).path).is_much)


def all_repos() -> Iterator[Repo]:
    """Every repo, one at a time."""
    return _living(list(Repo.objects.order_by("pk").values_list("pk", flat=True)))


def tidy_repo(repo: Repo) -> bool:
    """Repack one repo's git directory; False when it is gone, being repacked, or could not be (logged)."""
    path = git_store(repo).path
    try:
        done = tidy(path, keep_days=_ALL_DAYS if _lost_history(repo) else KEEP_DAYS)
        with transaction.atomic():
            if Repo.objects.select_for_update().filter(pk=repo.pk).exists():
                pack_refs(path)
        return done
    except TidyFailed as error:
        logger.warning("%s could not be repacked: %s", repo, error)
        return False


def sweep_pushes() -> int:
    """Remove what pushes left behind that were killed in the middle; how many."""
    return sweep(settings.HUB_TMP_DIR)


def _lost_history(repo: Repo) -> bool:
    since = timezone.now() - timedelta(days=settings.HUB_GARBAGE_GRACE_DAYS)
    return Event.objects.filter(repo=repo, tag__in=_TAKING_AWAY, at__gt=since).exists()


def _living(keys: list[int]) -> Iterator[Repo]:
    for key in keys:
        repo = Repo.objects.select_related("namespace").filter(pk=key).first()
        if repo is not None:  # else deleted meanwhile
            yield repo
