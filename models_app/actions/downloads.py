"""Downloads become numbers: noted in a spool as they happen, counted by the hub's worker."""

from __future__ import annotations

import logging
import re
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import F, Sum

from models_app.models import DownloadCount, Repo
from models_app.storage.spool import Spool

logger = logging.getLogger(__name__)
WINDOW_DAYS = 30
_BATCH = 500
_LINE = re.compile(r"(\d{4}-\d\d-\d\d) (\d{1,18}) ([0-9a-f]{1,64})")


def download_spool() -> Spool:
    """Where downloads are noted."""
    return Spool(Path(settings.HUB_DOWNLOADS_DIR))


def note_download(repo: Repo, key: str, now: datetime) -> None:
    """Remember that somebody downloaded; `key` (hexadecimal) names them, and the same key counts once a day.

    Never raises for want of disk: a number is not worth a failed download.
    """
    try:
        download_spool().note(f"{now:%Y-%m-%d} {repo.pk} {key}", now.timestamp())
    except OSError:
        logger.exception("a download of %s could not be noted", repo)


def count_downloads(now: datetime) -> int:
    """Count what was noted in the minutes that have ended, and bring every repo's numbers up to date; how
    many downloads were new.

    Safe to run twice at once (the second does nothing). A crash between the commit and the removal of a file
    may count the downloads of one minute twice.
    """
    spool, total = download_spool(), 0
    with spool.alone() as alone:
        if not alone:
            return 0
        for path in spool.ended(now.timestamp()):
            total += _count_file(spool, path)
        spool.forget_before(f"{now - timedelta(days=2):%Y-%m-%d}")
        _refresh_windows(now.date())
    return total


def _count_file(spool: Spool, path: Path) -> int:
    fresh: dict[str, dict[str, int]] = {}
    for line in path.read_text().splitlines():
        if match := _LINE.fullmatch(line):  # a full disk may have cut one off
            day, repo_pk, key = match.groups()
            fresh.setdefault(day, {})[f"{repo_pk}:{key}"] = int(repo_pk)
    total = 0
    for day, notes in fresh.items():
        seen = spool.seen(day)
        new = {name: repo_pk for name, repo_pk in notes.items() if name not in seen}
        _add(date.fromisoformat(day), Counter(new.values()))
        spool.remember(day, new)
        total += len(new)
    path.unlink()
    return total


def _add(day: date, counts: Counter[int]) -> None:
    keys = list(counts)
    with transaction.atomic():
        for start in range(0, len(keys), _BATCH):
            # Repos deleted since are passed over.
            for repo in Repo.objects.filter(pk__in=keys[start : start + _BATCH]).only("pk"):
                row, _ = DownloadCount.objects.get_or_create(repo=repo, day=day)
                DownloadCount.objects.filter(pk=row.pk).update(count=F("count") + counts[repo.pk])
                Repo.objects.filter(pk=repo.pk).update(
                    downloads_all_time=F("downloads_all_time") + counts[repo.pk]
                )


def _refresh_windows(today: date) -> None:
    """Write anew the number of the last 30 days of those repos where it has changed."""
    recent = DownloadCount.objects.filter(day__gt=today - timedelta(days=WINDOW_DAYS))
    sums = dict(recent.values_list("repo").annotate(total=Sum("count")))
    with transaction.atomic():
        stored = Repo.objects.exclude(downloads_30d=0) | Repo.objects.filter(pk__in=recent.values("repo"))
        changed = [
            repo for repo in stored.only("downloads_30d") if repo.downloads_30d != sums.get(repo.pk, 0)
        ]
        for repo in changed:
            repo.downloads_30d = sums.get(repo.pk, 0)
        Repo.objects.bulk_update(changed, ["downloads_30d"], batch_size=200)
