"""Mail from the inbox whose worker dies, is slow, or meets another: each goes out, and once for a mailbox."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from models_app.actions import discussions
from models_app.actions.note_batches import LEASE, claim
from models_app.actions.note_mail import send_at_once, send_due_digests
from models_app.actions.notify import notify_due
from models_app.models import NoteSetting, Notification, Repo
from tests.models_app.people import repo_of, session

NOW = timezone.now()
LATER = NOW + LEASE + timedelta(seconds=1)
Send = Callable[[datetime], int]


class Died(BaseException):
    """The worker is killed: no handler of it may run."""


@pytest.fixture(autouse=True)
def _mail_is_on(settings: Settings) -> None:
    settings.HUB_MAIL_ON = True


@pytest.fixture
def reader(alice: User) -> User:
    alice.email_verified, alice.digest = True, "daily"
    alice.date_joined = NOW - timedelta(days=2)
    alice.save()
    return alice


@pytest.fixture
def repo(reader: User, carol: User) -> Repo:
    """A repo of the reader with a discussion that they are to hear of."""
    made = repo_of(reader)
    discussions.open_discussion(session(carol), repo=made, title="Talk")
    notify_due()
    return made


def die_in(monkeypatch: pytest.MonkeyPatch, send: Send, *, after_sending: bool) -> None:
    """Whoever sends a mail in this round dies of it, before or after the server has it."""
    deliver = EmailBackend.send_messages

    def killed(self: EmailBackend, messages: object) -> int:
        if after_sending:
            deliver(self, messages)  # type: ignore[arg-type]
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(EmailBackend, "send_messages", killed)
        with pytest.raises(Died):
            send(NOW)


def at_once(user: User, kind: str = "thread") -> None:
    NoteSetting.objects.create(user=user, kind=kind, mail="at-once", in_site=True)


def names() -> list[str]:
    return [letter.extra_headers["Message-ID"] for letter in mail.outbox]


@pytest.mark.parametrize("after_sending", [False, True])
@pytest.mark.parametrize("how", ["at once", "digest"])
def test_a_mail_whose_worker_died_is_sent_by_the_next(
    reader: User, repo: Repo, monkeypatch: pytest.MonkeyPatch, how: str, after_sending: bool
) -> None:
    send = send_at_once if how == "at once" else send_due_digests
    if how == "at once":
        at_once(reader)
    die_in(monkeypatch, send, after_sending=after_sending)
    assert send(NOW + timedelta(minutes=1)) == 0
    assert send(LATER) == 1
    assert [letter.subject for letter in mail.outbox] == ["carol began the discussion “Talk”"] * (
        2 if after_sending else 1
    )
    assert len(set(names())) == 1
    for minutes in (0, 6, 12, 60 * 24 * 3):
        assert send(LATER + timedelta(minutes=minutes)) == 0


def test_what_is_new_meanwhile_is_a_mail_of_its_own(
    reader: User, carol: User, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once(reader)
    die_in(monkeypatch, send_at_once, after_sending=True)
    discussions.open_discussion(session(carol), repo=repo, title="Another")
    notify_due()
    assert send_at_once(NOW + timedelta(minutes=1)) == 1
    assert send_at_once(LATER) == 1
    assert send_at_once(LATER) == 0
    subjects = [letter.subject.partition("“")[2] for letter in mail.outbox]
    assert subjects == ["Talk”", "Another”", "Talk”"]
    first, other, again = names()
    assert first == again != other


def test_news_of_a_line_that_is_on_its_way_are_mailed_too(reader: User, carol: User, repo: Repo) -> None:
    at_once(reader, "reply")
    discussions.comment(session(carol), repo=repo, num=1, text="one")
    notify_due()
    batch = claim(reader, "at-once", NOW)
    assert batch is not None
    discussions.comment(session(carol), repo=repo, num=1, text="two")
    notify_due()
    batch.mark_sent()
    assert send_at_once(NOW) == 1
    assert mail.outbox[0].subject == "2 replies in “Talk”, the last by carol"
    assert send_at_once(LATER) == 0


def test_a_mail_is_in_one_workers_hand(reader: User, repo: Repo) -> None:
    at_once(reader)
    first = claim(reader, "at-once", NOW)
    assert first is not None
    assert claim(reader, "at-once", NOW) is None
    second = claim(reader, "at-once", LATER)
    assert second is not None
    assert (second.uuid, second.lines) == (first.uuid, first.lines)
    first.mark_sent()  # slow, not dead: the mail is the other's now
    assert Notification.objects.get(user=reader).mailed_at is None
    second.mark_sent()
    assert Notification.objects.get(user=reader).mailed_at == LATER


def test_what_was_read_meanwhile_is_not_sent_again(
    reader: User, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once(reader)
    die_in(monkeypatch, send_at_once, after_sending=False)
    Notification.objects.update(read_at=NOW)
    assert send_at_once(LATER) == 0
    assert mail.outbox == []


def test_a_server_that_is_away_does_not_end_a_broken_off_digest(
    reader: User, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(self: EmailBackend, messages: object) -> int:
        raise OSError

    die_in(monkeypatch, send_due_digests, after_sending=False)
    with monkeypatch.context() as patch:
        patch.setattr(EmailBackend, "send_messages", away)
        assert send_due_digests(LATER) == 0
    assert send_due_digests(LATER) == 1
    assert len(mail.outbox) == 1


def test_an_address_that_takes_no_mail_lets_the_others_have_theirs(
    reader: User, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: EmailBackend, messages: object) -> int:
        raise OSError

    at_once(reader)
    with monkeypatch.context() as patch:
        patch.setattr(EmailBackend, "send_messages", refused)
        assert send_at_once(NOW) == 0
    assert send_at_once(NOW + timedelta(minutes=1)) == 0
    assert send_at_once(LATER) == 1
