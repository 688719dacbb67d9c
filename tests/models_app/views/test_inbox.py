"""The inbox and its settings on the pages."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from models_app.actions import discussions, likes
from models_app.actions.notify import notify_due
from models_app.actions.repos import change_settings
from models_app.models import NoteSetting, Notification
from tests.models_app.people import repo_of, session


@pytest.fixture
def told(alice: User, carol: User) -> None:
    """Two lines for alice: a discussion with a rude title, and a like."""
    repo = repo_of(alice)
    discussions.open_discussion(session(carol), repo=repo, title="<b>Why</b> & %s how?")
    likes.like(session(carol), repo=repo)
    notify_due()


def waiting(user: User) -> int:
    return Notification.objects.filter(user=user, read_at=None).count()


def test_lines_are_shown_by_day_with_what_waits_on_the_bell(as_alice: Client, told: None) -> None:
    text = as_alice.get("/inbox").text
    assert "carol began the discussion “&lt;b&gt;Why&lt;/b&gt; &amp; %s how?”" in text
    assert "<h2>Today</h2>" in text
    assert "Inbox, 2 unread" in text
    assert "Inbox, 2 unread" in as_alice.get("/models").text


def test_opening_a_line_marks_it_and_goes_there(as_alice: Client, alice: User, told: None) -> None:
    note = Notification.objects.get(kind="thread")
    assert as_alice.head(f"/inbox/{note.uuid}").status_code == 302
    assert waiting(alice) == 2
    assert as_alice.get(f"/inbox/{note.uuid}")["Location"] == "/alice/net/discussions/1"
    assert waiting(alice) == 1
    assert "began the discussion" not in as_alice.get("/inbox").text.split("<main")[1]
    assert "began the discussion" in as_alice.get("/inbox?show=all").text


def test_marking_one_some_and_all(as_alice: Client, alice: User, told: None) -> None:
    note = Notification.objects.get(kind="like")
    assert as_alice.post("/inbox?kind=like", {"one": note.uuid})["Location"] == "/inbox?kind=like"
    assert waiting(alice) == 1
    as_alice.post("/inbox", {"note": [n.uuid for n in Notification.objects.all()], "action": "chosen"})
    assert waiting(alice) == 0


def test_all_is_what_was_on_the_page(as_alice: Client, alice: User, told: None) -> None:
    until = re.search(r'name="until" value="([^"]+)"', as_alice.get("/inbox").text)
    assert until is not None
    Notification.objects.filter(kind="like").update(created_at=timezone.now() + timedelta(seconds=5))
    as_alice.post("/inbox", {"action": "all", "until": until[1]})
    assert list(Notification.objects.filter(read_at=None).values_list("kind", flat=True)) == ["like"]


@pytest.mark.parametrize(
    "data",
    [
        {"one": "nonsense"},
        {"note": ["", "x" * 500]},
        {"action": "fly"},
        {},
        {"one": "00000000-0000-0000-0000-000000000000"},
    ],
)
def test_nonsense_marks_nothing(as_alice: Client, alice: User, told: None, data: dict[str, str]) -> None:
    assert as_alice.post("/inbox", data).status_code == 302
    assert waiting(alice) == 2


@pytest.mark.parametrize("query", ["?kind=no", "?show=all&page=99999", "?page=x", "?kind=%00", "?until=y"])
def test_nonsense_in_the_address_is_left_out(as_alice: Client, told: None, query: str) -> None:
    assert as_alice.get(f"/inbox{query}").status_code == 200


def test_an_end_that_is_no_time_marks_everything(as_alice: Client, alice: User, told: None) -> None:
    as_alice.post("/inbox", {"action": "all", "until": "2026-99-99T99:99:99Z"})
    assert waiting(alice) == 0


def test_nobody_reads_or_marks_the_lines_of_others(
    client: Client, carol: User, alice: User, told: None
) -> None:
    note = Notification.objects.filter(user=alice).first()
    assert note is not None
    assert client.get("/inbox")["Location"] == "/login?next=/inbox"
    client.force_login(carol, backend="accounts.backends.AccountBackend")
    assert client.get(f"/inbox/{note.uuid}").status_code == 404
    assert client.get(f"/inbox/{uuid.uuid4()}").status_code == 404
    client.post("/inbox", {"one": note.uuid})
    assert waiting(alice) == 2


def test_a_line_about_what_is_private_now_is_gone(client: Client, carol: User, alice: User) -> None:
    repo = repo_of(alice)
    discussions.open_discussion(session(carol), repo=repo, title="Open")
    discussions.comment(session(alice), repo=repo, num=1, text="yes")
    notify_due()
    client.force_login(carol, backend="accounts.backends.AccountBackend")
    assert "replied in" in client.get("/inbox").text
    change_settings(session(alice), repo=repo, private=True)
    note = Notification.objects.get(user=carol)
    assert "replied in" not in client.get("/inbox").text
    assert client.get(f"/inbox/{note.uuid}").status_code == 404


def test_the_bell_is_asked_for_alone(client: Client, as_alice: Client, told: None) -> None:
    assert as_alice.get("/inbox/count").text.strip().startswith("<a")
    assert "Inbox, 2 unread" in as_alice.get("/inbox/count").text
    assert Client().get("/inbox/count").status_code == 204


@pytest.mark.parametrize("lines", [1, 50])
def test_as_many_queries_for_many_lines(
    as_alice: Client, alice: User, lines: int, django_assert_max_num_queries: object
) -> None:
    repo = repo_of(alice)
    for n in range(lines):
        Notification.objects.create(
            user=alice, kind="thread", key=str(n), repo=repo, actor=alice, data={"title": "x", "num": 1}
        )
    with django_assert_max_num_queries(12):  # type: ignore[operator]
        assert as_alice.get("/inbox").text.count('class="note is-unread"') == lines


def test_settings_are_kept(as_alice: Client, alice: User) -> None:
    page = as_alice.get("/settings/notifications").text
    kinds = re.findall(r'name="mail-([\w-]+)"', page)
    assert len(kinds) == 14
    data = {f"mail-{kind}": "never" for kind in kinds} | {
        "site-like": "on",
        "mail-mention": "at-once",
        "digest": "daily",
    }
    for _twice in range(2):
        assert as_alice.post("/settings/notifications", data).status_code == 302
    alice.refresh_from_db()
    assert (alice.digest, alice.note_mail) == ("daily", False)
    assert NoteSetting.objects.count() == 14
    assert NoteSetting.objects.get(kind="mention").mail == "at-once"
    assert list(NoteSetting.objects.filter(in_site=True).values_list("kind", flat=True)) == ["like"]


@pytest.mark.parametrize("change", [{"digest": "hourly"}, {"mail-like": "pigeon"}, {"digest": ""}])
def test_wrong_settings_change_nothing_and_are_told(
    as_alice: Client, alice: User, change: dict[str, str]
) -> None:
    kinds = re.findall(r'name="mail-([\w-]+)"', as_alice.get("/settings/notifications").text)
    data = {f"mail-{kind}": "never" for kind in kinds} | {"digest": "daily"} | change
    response = as_alice.post("/settings/notifications", data)
    assert response.status_code == 422
    assert 'role="alert"' in response.text
    assert not NoteSetting.objects.exists()
