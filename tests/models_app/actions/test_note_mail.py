"""Mail from the inbox: who gets what when, and how it ends."""

from __future__ import annotations

import re
from datetime import timedelta
from smtplib import SMTPServerDisconnected

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts import actions
from accounts.actor import Actor
from accounts.models import User
from accounts.tasks import send_verification
from models_app.actions import discussions, likes
from models_app.actions.note_mail import forget_old_notes, send_at_once, send_due_digests
from models_app.actions.notify import notify_due
from models_app.actions.repos import change_settings
from models_app.models import NoteSetting, Notification
from tests.models_app.people import repo_of, session


@pytest.fixture(autouse=True)
def _mail_is_on(settings: Settings) -> None:
    settings.HUB_MAIL_ON = True


@pytest.fixture
def reader(alice: User) -> User:
    """alice, whose address is proven and whose digest is due."""
    alice.email_verified, alice.digest = True, "daily"
    alice.date_joined = timezone.now() - timedelta(days=2)
    alice.save()
    return alice


def something_happens(alice: User, carol: User) -> None:
    repo = repo_of(alice)
    discussions.open_discussion(session(carol), repo=repo, title="Why so? 100%")
    notify_due()


def test_a_digest_tells_what_is_unread_once(reader: User, carol: User) -> None:
    repo = repo_of(reader)
    for title in ("First", "Second"):
        discussions.open_discussion(session(carol), repo=repo, title=title)
    likes.like(session(carol), repo=repo)
    notify_due()
    now = timezone.now()
    assert send_due_digests(now) == 1
    letter = mail.outbox[0]
    assert letter.to == ["alice@example.org"]
    assert letter.subject == "2 things in your inbox"
    assert "carol began the discussion “First”" in letter.body
    assert "likes" not in letter.body
    assert letter.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert send_due_digests(now + timedelta(hours=1)) == 0
    assert send_due_digests(now + timedelta(days=2)) == 0
    assert len(mail.outbox) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"email_verified": False},
        {"note_mail": False},
        {"email": ""},
        {"digest": "never"},
        {"is_suspended": True},
        {"digest": "weekly"},
        {"is_active": False},
    ],
)
def test_who_gets_none(reader: User, carol: User, change: dict[str, object]) -> None:
    something_happens(reader, carol)
    User.objects.filter(pk=reader.pk).update(**change)
    assert send_due_digests(timezone.now()) == 0
    assert mail.outbox == []


def test_nothing_goes_about_what_was_read_or_may_not_be_seen(reader: User, carol: User) -> None:
    repo = repo_of(carol)
    discussions.open_discussion(session(reader), repo=repo, title="Theirs")
    discussions.comment(session(carol), repo=repo, num=1, text="yes")
    notify_due()
    change_settings(session(carol), repo=repo, private=True)
    assert send_due_digests(timezone.now()) == 0
    change_settings(session(carol), repo=repo, private=False)
    Notification.objects.update(read_at=timezone.now())
    assert send_due_digests(timezone.now() + timedelta(days=3)) == 0


def test_at_once_goes_at_once_and_again_when_more_is_said(reader: User, carol: User) -> None:
    NoteSetting.objects.create(user=reader, kind="reply", mail="at-once", in_site=False)
    repo = repo_of(reader)
    discussions.open_discussion(session(carol), repo=repo, title="Talk")
    for text in ("one", "two"):
        discussions.comment(session(carol), repo=repo, num=1, text=text)
        notify_due()
        assert send_at_once(timezone.now()) == 1
        assert send_at_once(timezone.now()) == 0
    assert [letter.subject for letter in mail.outbox] == [
        "carol replied in “Talk”",
        "2 replies in “Talk”, the last by carol",
    ]
    assert "/alice/net/discussions/1#event-" in mail.outbox[0].body


def test_a_server_that_fails_is_tried_again(
    reader: User, carol: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: EmailBackend, messages: object) -> int:
        raise SMTPServerDisconnected

    something_happens(reader, carol)
    with monkeypatch.context() as patch:
        patch.setattr(EmailBackend, "send_messages", broken)
        assert send_due_digests(timezone.now()) == 0
    reader.refresh_from_db()
    assert reader.digest_sent_at is None
    assert send_due_digests(timezone.now()) == 1
    assert mail.outbox[0].subject == "carol began the discussion “Why so? 100%”"


def test_a_hub_without_mail_sends_none(reader: User, carol: User, settings: Settings) -> None:
    settings.HUB_MAIL_ON = False
    something_happens(reader, carol)
    assert send_due_digests(timezone.now()) == send_at_once(timezone.now()) == 0


def test_mail_is_in_the_readers_language(reader: User, carol: User) -> None:
    User.objects.filter(pk=reader.pk).update(language="zh-hans")
    something_happens(reader, carol)
    assert send_due_digests(timezone.now()) == 1


def test_the_way_out_stands_in_the_mail_and_works_without_signing_in(
    reader: User, carol: User, client: Client
) -> None:
    something_happens(reader, carol)
    send_due_digests(timezone.now())
    stop = mail.outbox[0].extra_headers["List-Unsubscribe"].strip("<>").removeprefix("http://testserver")
    assert stop in mail.outbox[0].body
    assert "No more mail" in client.get(stop).text
    reader.refresh_from_db()
    assert reader.note_mail
    assert client.post(stop).status_code == 200
    reader.refresh_from_db()
    assert (reader.note_mail, reader.run_mail) == (False, "notable")


def test_old_lines_are_forgotten(alice: User, carol: User) -> None:
    something_happens(alice, carol)
    assert forget_old_notes(timezone.now() + timedelta(days=300)) == 0
    Notification.objects.update(read_at=timezone.now())
    assert forget_old_notes(timezone.now() + timedelta(days=80)) == 0
    assert forget_old_notes(timezone.now() + timedelta(days=91)) == 1


# --- whose an address is


def test_a_new_address_is_asked_and_proven(
    alice: User, client: Client, django_capture_on_commit_callbacks: object
) -> None:
    alice.email_verified = True
    alice.save()
    with django_capture_on_commit_callbacks() as asked:  # type: ignore[operator]
        actions.change_profile(Actor(alice), fullname="", bio="", email="new@example.org")
    assert len(asked) == 1
    assert send_verification(alice.pk)
    letter = mail.outbox[0]
    assert letter.to == ["new@example.org"]
    path = re.search(r"http://testserver(/settings/mail/verify/\S+)", letter.body)
    assert path is not None
    assert "Is new@example.org the address of alice?" in client.get(path[1]).text
    alice.refresh_from_db()
    assert not alice.email_verified
    assert "is yours" in client.post(path[1]).text
    alice.refresh_from_db()
    assert alice.email_verified
    assert not send_verification(alice.pk)
    actions.change_profile(Actor(alice), fullname="", bio="", email="other@example.org")
    stale = client.post(path[1])
    assert stale.status_code == 410
    alice.refresh_from_db()
    assert not alice.email_verified


@pytest.mark.parametrize("text", ["x", "1:2:3", "%00"])
def test_a_made_up_link_proves_nothing(client: Client, db: None, text: str) -> None:
    assert client.get(f"/settings/mail/verify/{text}").status_code == 410


def test_nobody_is_flooded_with_questions(
    alice: User, client: Client, django_capture_on_commit_callbacks: object
) -> None:
    client.force_login(alice, backend="accounts.backends.AccountBackend")
    with django_capture_on_commit_callbacks() as asked:  # type: ignore[operator]
        for _time in range(8):
            client.post("/settings/mail/verify")
    assert len(asked) == 5
