"""Trending counts days of work and children published, forgets both, and cannot be won by a busy script."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from models_app.actions.commits import commit
from models_app.actions.trending import refresh_trending
from models_app.models import Event, EventTag, Repo
from models_app.storage.operations import AddFile
from models_app.tasks import refresh_trending_scores
from tests.models_app.people import repo_of, session


def score(repo: Repo) -> float:
    return Repo.objects.get(pk=repo.pk).trending_score


def work(user: User, repo: Repo, content: bytes, name: str = "README.md") -> None:
    commit(session(user), repo=repo, branch="main", operations=[AddFile(name, content)], summary="Work")


@pytest.fixture
def now() -> datetime:
    return timezone.now() + timedelta(minutes=1)


def test_a_day_of_work_counts_once_and_halves_in_a_week(alice: User, now: datetime) -> None:
    busy, calm = repo_of(alice, "busy"), repo_of(alice, "calm")
    for number in range(3):
        work(alice, busy, str(number).encode())
    work(alice, calm, b"1")
    assert refresh_trending(now) == 2
    assert score(busy) == score(calm) == 1.0
    refresh_trending(now + timedelta(days=7))
    assert score(busy) == 0.5
    assert refresh_trending(now + timedelta(days=15)) == 2
    assert score(busy) == 0
    assert refresh_trending(now + timedelta(days=15)) == 0


def test_public_children_count_for_their_base(alice: User, bob: User, now: datetime) -> None:
    base = repo_of(alice, "base")
    for number, private in enumerate((False, False, True)):
        child = repo_of(bob, f"child-{number}", private=private)
        work(bob, child, b"---\nbase_model: alice/base\n---\n")
    refresh_trending(now)
    assert score(base) == 6.0


def test_the_hubs_worker_does_it(alice: User) -> None:
    repo = repo_of(alice)
    work(alice, repo, b"1")
    Event.objects.filter(tag=EventTag.COMMIT_ADD).update(at=timezone.now() - timedelta(days=1, minutes=1))
    assert refresh_trending_scores() == 1
    assert score(repo) == round(0.5 ** (1 / 7), 3)
