"""The calendar of a profile: which days count, for whom, and what it costs."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from django.test import Client

from accounts.actor import ANONYMOUS, Actor
from accounts.models import User
from models_app import activity_calendar
from models_app.activity_calendar import Calendar, calendar_of
from models_app.models import Event, EventTag, Repo
from tests.models_app.people import organization, repo_of, session

TODAY = date(2026, 11, 23)
FIRST = date(2025, 11, 24)


def happened(user: User, repo: Repo, day: date, tag: str = EventTag.COMMIT_ADD, **data: str) -> None:
    at = datetime(day.year, day.month, day.day, 23, 59, tzinfo=UTC)
    Event.objects.create(actor=user, repo=repo, tag=tag, at=at, data=data, notified_at=at)


def drawn(user: User, actor: Actor = ANONYMOUS) -> Calendar:
    made = calendar_of(user.namespace, actor, TODAY)
    assert made is not None
    return made


@pytest.fixture
def net(alice: User) -> Repo:
    made = repo_of(alice)
    Event.objects.all().delete()
    return made


def test_days_of_twelve_months_are_counted(alice: User, net: Repo) -> None:
    for day, times in ((TODAY, 1), (FIRST, 4), (date(2026, 3, 1), 2), (FIRST - timedelta(days=1), 9)):
        for _time in range(times):
            happened(alice, net, day)
    found = drawn(alice)
    assert (found.total, found.busiest, found.most, found.is_cut) == (7, FIRST, 4, False)
    assert found.months == [(date(2025, 11, 1), 4), (date(2026, 3, 1), 2), (date(2026, 11, 1), 1)]
    days = [day for part in found.parts for day in part.days]
    assert [(day.day, day.count, day.level) for day in days] == [
        (FIRST, 4, 4),
        (date(2026, 3, 1), 2, 2),
        (TODAY, 1, 1),
    ]
    assert sum(part.ground.count("M") for part in found.parts) == 365


@pytest.mark.parametrize("days", range(8))
def test_every_weekday_has_its_line(alice: User, net: Repo, days: int) -> None:
    today = TODAY + timedelta(days=days)
    happened(alice, net, today)
    found = calendar_of(alice.namespace, ANONYMOUS, today)
    assert found is not None
    last = found.parts[-1].days[-1]
    assert last.top == activity_calendar.TOP + today.weekday() * activity_calendar.PITCH
    assert last.left == found.parts[-1].width - activity_calendar.PITCH
    assert sum(part.ground.count("M") for part in found.parts) == 365
    assert all(part.width <= 27 * activity_calendar.PITCH for part in found.parts)


def test_what_one_may_not_see_is_not_counted(alice: User, bob: User, carol: User, net: Repo) -> None:
    organization("lab", admin=alice, read=bob)
    secret = repo_of(alice, "secret", namespace="lab", private=True)
    Event.objects.all().delete()
    happened(alice, net, TODAY)
    happened(alice, secret, TODAY)
    happened(alice, net, TODAY, EventTag.LIKE_ADD)
    happened(alice, net, TODAY, EventTag.RUN_FINISH, stage="ERROR")
    happened(alice, net, TODAY, EventTag.RUN_FINISH, stage="COMPLETED")
    happened(bob, net, TODAY)
    assert [drawn(alice, one).total for one in (ANONYMOUS, session(carol), session(bob), session(alice))] == [
        2, 2, 3, 3,
    ]  # fmt: skip


def test_without_anything_done_there_is_none(alice: User, net: Repo) -> None:
    group = organization("lab", admin=alice)
    assert calendar_of(alice.namespace, ANONYMOUS, TODAY) is None
    happened(alice, net, TODAY)
    assert calendar_of(group, ANONYMOUS, TODAY) is None


def test_one_query_over_so_many_events(
    alice: User, net: Repo, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: object
) -> None:
    monkeypatch.setattr(activity_calendar, "MOST_EVENTS", 3)
    for back in range(5):
        happened(alice, net, TODAY - timedelta(days=back))
    with django_assert_num_queries(1):  # type: ignore[operator]
        found = drawn(alice)
    assert (found.total, found.is_cut) == (3, True)
    assert found.parts[-1].days[0].day == TODAY - timedelta(days=2)


def test_the_profile_draws_it_and_says_it_in_numbers(client: Client, alice: User) -> None:
    repo_of(alice)
    text = client.get("/alice").text
    assert "1 thing done in twelve months" in text
    assert 'role="img" aria-label="Things done day by day in twelve months: 1, most of them, 1, on ' in text
    assert '<rect class="level-4"' in text
    assert "Day by day" not in client.get("/alice?tab=activity").text
