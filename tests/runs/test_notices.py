"""Mail about runs: who is told of what, each end once, in few mails, and the way out of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.actor import Actor
from accounts.models import RunMail, User
from hub.mail import env_mail
from runs import actions, mailing, notices, reports, reviving
from runs.mailing import LEASE, RETRIES, send_due
from runs.models import NoticeStatus, Run, RunNotice
from tests.runs.conftest import World
from tests.runs.mailbox import mailbox
from tests.runs.test_again import failed

BACKEND = "accounts.backends.AccountBackend"


@pytest.fixture
def posted(settings: Settings, world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A hub with a mail server, and alice with an address."""
    settings.HUB_MAIL_ON = True
    settings.DEFAULT_FROM_EMAIL = "Hub <hub@example.org>"
    monkeypatch.setattr(notices, "current_app", Woken())
    User.objects.filter(pk=world.alice.pk).update(email="alice@example.org")
    world.alice.refresh_from_db()
    return world


class Woken:
    """A broker that only remembers."""

    def __init__(self) -> None:
        self.tasks: list[str] = []

    def send_task(self, name: str, **options: Any) -> None:
        assert options["queue"] == "hub"
        self.tasks.append(name)


def fails(world: World, target: str = "alice/result", message: str = "No rows.") -> Run:
    run = world.claim(world.submit(target)).run
    reports.finish(run, outcome="error", message_id="data:empty", message=message)
    run.refresh_from_db()
    return run


def completes(world: World, target: str = "alice/result", *, minutes: float = 0.0) -> Run:
    run = world.claim(world.submit(target)).run
    evaluation = {"evaluation": {"accuracy": 0.9512, "n": 1000}, "ranked_by": "accuracy"}
    Run.objects.filter(pk=run.pk).update(created_at=timezone.now() - timedelta(minutes=minutes))
    run.refresh_from_db()
    reports.finish(run, outcome="completed", result_oid=world.publish(run), summary=evaluation)
    run.refresh_from_db()
    return run


def wants(world: World, what: str) -> None:
    User.objects.filter(pk=world.alice.pk).update(run_mail=what)


def later(**words: float) -> datetime:
    return timezone.now() + timedelta(**words)


def test_a_failure_is_told_in_one_line_with_its_address(posted: World) -> None:
    run = fails(posted)
    assert send_due(timezone.now()) == 1
    (letter,) = mail.outbox
    assert (letter.to, letter.from_email) == (["alice@example.org"], "Hub <hub@example.org>")
    assert letter.subject.startswith("alice/result failed: No rows.")
    assert f"http://testserver/runs/{run.uuid}" in letter.body
    assert "commit it to the data set" in letter.body
    assert send_due(timezone.now()) == 0
    assert RunNotice.objects.get().status == NoticeStatus.SENT


def test_a_long_run_is_told_of_with_its_score(posted: World) -> None:
    completes(posted, minutes=11)
    send_due(timezone.now())
    (letter,) = mail.outbox
    assert letter.subject == "alice/result done: accuracy 95.12 %"


@pytest.mark.parametrize(
    ("what", "told"),
    [(RunMail.NOTABLE, ["failed"]), (RunMail.ALL, ["failed", "short"]), (RunMail.NONE, [])],
)
def test_people_choose_what_they_are_told_of(posted: World, what: str, told: list[str]) -> None:
    wants(posted, what)
    fails(posted, "alice/failed")
    completes(posted, "alice/short")
    assert sorted(row.run.target_repo.name for row in RunNotice.objects.all()) == told


def test_who_cancels_knows_it(posted: World) -> None:
    wants(posted, RunMail.ALL)
    actions.cancel(Actor(posted.alice), run=posted.submit())
    assert not RunNotice.objects.exists()


@pytest.mark.parametrize("why", ["no address", "no server", "a measured step"])
def test_where_nothing_can_be_told_nothing_is_written_down(
    posted: World, settings: Settings, why: str
) -> None:
    run = posted.claim(posted.submit()).run
    if why == "no address":
        User.objects.filter(pk=posted.alice.pk).update(email="")
    elif why == "no server":
        settings.HUB_MAIL_ON = False
    else:
        Run.objects.filter(pk=run.pk).update(kind="preflight")
    run = Run.objects.for_pages().get(pk=run.pk)
    reports.finish(run, outcome="error", message_id="data:empty", message="No rows.")
    assert not RunNotice.objects.exists()


def test_an_end_that_is_rolled_back_is_not_told_of(posted: World) -> None:
    run = posted.claim(posted.submit()).run

    @transaction.atomic
    def break_off() -> None:
        reports.finish(run, outcome="error", message_id="data:empty", message="No rows.")
        assert RunNotice.objects.exists()
        raise RuntimeError("the database went away")

    with pytest.raises(RuntimeError):
        break_off()
    assert not RunNotice.objects.exists()


def test_a_run_that_ends_twice_is_told_of_twice_and_each_end_once(posted: World) -> None:
    run = failed(posted)
    reviving.resume(Actor(posted.alice), run=run)
    run = posted.claim(run).run
    reports.finish(run, outcome="error", message_id="data:empty", message="Still no rows.")
    assert RunNotice.objects.count() == 2
    row = RunNotice.objects.first()
    assert row is not None
    notices.note_end(run, stage="ERROR", ended_at=row.ended_at)  # told again of an end it has
    assert RunNotice.objects.count() == 2


def test_many_ends_make_few_mails(
    posted: World, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    fails(posted, "alice/r0")
    send_due(timezone.now())
    for number in range(1, 6):
        fails(posted, f"alice/r{number}")
    assert send_due(timezone.now()) == 0  # the next mail waits until ten minutes after the first
    assert send_due(later(minutes=11)) == 1
    first, second = mail.outbox
    assert second.subject == "5 runs have ended"
    assert [f"alice/r{number}" in second.body for number in range(1, 6)] == [True] * 5
    assert first.body != second.body


def test_the_first_end_wakes_the_hubs_worker(posted: World) -> None:
    woken = notices.current_app
    with posted.capture(execute=True):
        fails(posted, "alice/one")
        fails(posted, "alice/two")
    assert set(woken.tasks) == {notices.SEND}


def test_a_broken_broker_loses_no_mail(posted: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*words: object, **named: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(notices.current_app, "send_task", refuse)
    with posted.capture(execute=True):
        fails(posted)
    assert send_due(timezone.now()) == 1
    assert len(mail.outbox) == 1


class Down:
    """A mail server that is not there."""

    def __init__(self, *words: object, **named: object) -> None:
        pass

    def send_messages(self, messages: list[Any]) -> int:
        raise ConnectionRefusedError("no server")


def test_a_server_that_is_down_is_asked_again_and_then_left(posted: World, settings: Settings) -> None:
    fails(posted)
    good = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = "tests.runs.test_notices.Down"
    now = timezone.now()
    for pause in RETRIES[:-1]:
        assert send_due(now) == 1
        assert send_due(now) == 0
        now += pause
    settings.EMAIL_BACKEND = good
    assert send_due(now) == 1
    assert len(mail.outbox) == 1
    fails(posted, "alice/other")
    settings.EMAIL_BACKEND = "tests.runs.test_notices.Down"
    now += timedelta(hours=1)
    for pause in (*RETRIES, timedelta(0)):
        send_due(now)
        now += pause
    assert RunNotice.objects.get(run__target_repo__name="other").status == NoticeStatus.DROPPED


def test_two_workers_send_one_mail(posted: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fails(posted)
    build, now = mailing.message_of, timezone.now()

    def meanwhile(user: User, told: Any) -> Any:
        monkeypatch.setattr(mailing, "message_of", build)
        fails(posted, "alice/second")  # something new, so that the other has a reason to write
        send_due(later(minutes=1))
        return build(user, told)

    monkeypatch.setattr(mailing, "message_of", meanwhile)
    send_due(now)
    bodies = "".join(str(letter.body) for letter in mail.outbox)
    assert bodies.count("alice/result") == 1


def test_a_worker_that_died_with_the_mail_in_hand_sends_it_under_the_same_name(
    posted: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails(posted)
    update, now = mailing._update, timezone.now()

    def die(notice: RunNotice, **fields: Any) -> int:
        if fields.get("status") == NoticeStatus.SENT:
            raise SystemExit
        return update(notice, **fields)

    monkeypatch.setattr(mailing, "_update", die)
    with pytest.raises(SystemExit):
        send_due(now)
    monkeypatch.setattr(mailing, "_update", update)
    assert send_due(now + LEASE / 2) == 0
    assert send_due(now + LEASE) == 1
    first, second = (letter.extra_headers["Message-ID"] for letter in mail.outbox)
    assert first == second


@pytest.mark.parametrize("change", ["suspended", "unsubscribed", "shut out"])
def test_what_has_changed_meanwhile_is_asked_again(posted: World, carol: User, change: str) -> None:
    run = fails(posted)
    if change == "suspended":
        User.objects.filter(pk=posted.alice.pk).update(is_suspended=True)
    elif change == "unsubscribed":
        wants(posted, RunMail.NONE)
    else:
        RunNotice.objects.update(user=carol)
        User.objects.filter(pk=carol.pk).update(email="carol@example.org")
        run.target_repo.private = True
        run.target_repo.save()
    send_due(timezone.now())
    assert mail.outbox == []
    assert RunNotice.objects.get().status == NoticeStatus.DROPPED


def test_no_secret_and_no_second_header_gets_into_a_mail(posted: World) -> None:
    fails(posted, message="refused hf_" + "a" * 34 + "\nBcc: everybody@example.org")
    send_due(timezone.now())
    (letter,) = mail.outbox
    assert "a" * 20 not in letter.subject + str(letter.body)
    assert "\n" not in letter.subject
    assert letter.recipients() == ["alice@example.org"]


def test_mail_can_be_ended_without_signing_in(client: Client, posted: World) -> None:
    fails(posted)
    send_due(timezone.now())
    address = re.search(r"http://testserver(/settings/mail/stop/\S+)", str(mail.outbox[0].body))
    assert address is not None
    assert mail.outbox[0].extra_headers["List-Unsubscribe"] == f"<http://testserver{address[1]}>"
    assert client.get(address[1]).status_code == 200
    posted.alice.refresh_from_db()
    assert posted.alice.run_mail == RunMail.NOTABLE  # looking changes nothing
    assert client.post(address[1], {"List-Unsubscribe": "One-Click"}).status_code == 200
    posted.alice.refresh_from_db()
    assert posted.alice.run_mail == RunMail.NONE
    assert client.post("/settings/mail/stop/nonsense").status_code == 404
    assert client.post(address[1][:-2] + "xx").status_code == 404


def test_the_choice_is_on_the_settings_page(client: Client, posted: World) -> None:
    client.force_login(posted.alice, backend=BACKEND)
    assert 'name="run_mail"' in client.get("/settings/profile").text
    fields = {"fullname": "", "bio": "", "email": "alice@example.org"}
    client.post("/settings/profile", fields | {"run_mail": "all"})
    posted.alice.refresh_from_db()
    assert posted.alice.run_mail == RunMail.ALL
    client.post("/settings/profile", fields)  # an older form
    posted.alice.refresh_from_db()
    assert posted.alice.run_mail == RunMail.ALL
    assert client.post("/settings/profile", fields | {"run_mail": "hourly"}).status_code == 200
    posted.alice.refresh_from_db()
    assert posted.alice.run_mail == RunMail.ALL


def test_what_was_told_is_forgotten_after_a_month(posted: World) -> None:
    fails(posted, "alice/told")
    send_due(timezone.now())
    fails(posted, "alice/waiting")
    assert notices.forget_old(timezone.now()) == 0
    assert notices.forget_old(later(days=31)) == 1
    assert RunNotice.objects.get().run.target_repo.name == "waiting"


def test_a_real_server_gets_the_mail(
    posted: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fails(posted, message="No rows in train.csv, Größe 0.")
    with mailbox() as box:
        monkeypatch.setenv("HUB_MAIL_URL", f"smtp://127.0.0.1:{box.port}")
        for name, value in env_mail("HUB_MAIL_URL").items():
            setattr(settings, name, value)
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        assert send_due(timezone.now()) == 1
    (raw,) = box.messages
    letter = message_from_bytes(raw, policy=policy.default)
    assert (letter["To"], letter["From"]) == ("alice@example.org", "Hub <hub@example.org>")
    assert "Größe 0" in letter["Subject"]
    text = letter.get_content()
    assert f"http://testserver/runs/{run.uuid}" in text
    assert "Größe 0" in text


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail", ("mail", 25, "", False, False)),
        ("smtp+tls://me%40x:p%2Fw@mail.example.org", ("mail.example.org", 587, "me@x", True, False)),
        ("smtps://me:pw@mail:4650", ("mail", 4650, "me", False, True)),
    ],
)
def test_the_servers_address_is_read(
    monkeypatch: pytest.MonkeyPatch, url: str, expected: tuple[object, ...]
) -> None:
    monkeypatch.setenv("HUB_MAIL_URL", url)
    found = env_mail("HUB_MAIL_URL")
    names = ("EMAIL_HOST", "EMAIL_PORT", "EMAIL_HOST_USER", "EMAIL_USE_TLS", "EMAIL_USE_SSL")
    assert tuple(found[name] for name in names) == expected


@pytest.mark.parametrize("url", ["http://me:hunter2@mail", "smtp://", "smtp://me:hunter2@mail:port"])
def test_an_address_that_is_none_stops_the_start_without_its_password(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("HUB_MAIL_URL", url)
    with pytest.raises(ImproperlyConfigured) as refusal:
        env_mail("HUB_MAIL_URL")
    assert "hunter2" not in str(refusal.value)


def test_without_a_server_no_mail_is_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUB_MAIL_URL", raising=False)
    assert env_mail("HUB_MAIL_URL") == {}
