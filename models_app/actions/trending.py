"""What is trending: repos that were worked on lately, and models that others lately built on."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

from django.db import transaction

from models_app.models import BaseModelEdge, Event, EventTag, Repo

WINDOW = timedelta(days=14)
HALF_LIFE_DAYS = 7.0
CHILD_WEIGHT = 3.0


def refresh_trending(now: datetime) -> int:
    """Write every repo's trending score anew and tell how many changed.

    Each day with a commit counts one, each public child published three; both halve every seven days and are
    forgotten after fourteen. Many commits in a day are one day's work, so a busy script does not win.
    """
    scores: dict[int, float] = defaultdict(float)
    for repo_id, days in _busy_days(now).items():
        scores[repo_id] += sum(0.5 ** (age / HALF_LIFE_DAYS) for age in days)
    children = BaseModelEdge.objects.filter(
        parent__isnull=False,
        child__private=False,
        child__disabled_at=None,
        child__created_at__gt=now - WINDOW,
    )
    for parent_id, born in children.values_list("parent", "child__created_at").distinct():
        scores[parent_id] += CHILD_WEIGHT * 0.5 ** (max(now - born, timedelta()).days / HALF_LIFE_DAYS)
    return _write(scores)


def _busy_days(now: datetime) -> dict[int, set[int]]:
    """{repo id: ages in whole days of the days on which it got a commit}."""
    days: dict[int, set[int]] = defaultdict(set)
    commits = Event.objects.filter(tag=EventTag.COMMIT_ADD, repo__isnull=False, at__gt=now - WINDOW)
    for repo_id, at in commits.values_list("repo_id", "at").iterator():
        days[repo_id].add(max(now - at, timedelta()).days)
    return days


def _write(scores: dict[int, float]) -> int:
    rounded = {pk: round(score, 3) for pk, score in scores.items()}
    with transaction.atomic():
        stored = Repo.objects.exclude(trending_score=0) | Repo.objects.filter(pk__in=rounded)
        changed = [
            repo for repo in stored.only("trending_score") if repo.trending_score != rounded.get(repo.pk, 0)
        ]
        for repo in changed:
            repo.trending_score = rounded.get(repo.pk, 0)
        Repo.objects.bulk_update(changed, ["trending_score"], batch_size=200)
    return len(changed)
