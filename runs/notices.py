"""Who is to be told by mail that a run has ended: a row each, written with the end itself."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from celery import current_app
from django.conf import settings
from django.db import transaction

from accounts.models import RunMail, User
from runs.models import Kind, Run, Stage
from runs.models.notice import NoticeStatus, RunNotice

log = logging.getLogger(__name__)

SEND = "runs.tasks.send_notices"
# After one mail the next waits so long: what ends meanwhile is told of together.
PAUSE = timedelta(minutes=10)
KEPT = timedelta(days=30)


def note_end(run: Run, *, stage: str, ended_at: datetime) -> None:
    """Write down that the run's person is to be told of this end, if they want to; inside its transaction.

    Called with every end; the run's stage is `stage` by then.
    """
    if not settings.HUB_MAIL_ON or run.kind != Kind.TRAIN or not is_wanted(run, stage, ended_at):
        return
    due = _due(run.created_by, ended_at)
    RunNotice.objects.get_or_create(
        run=run,
        user=run.created_by,
        ended_at=ended_at,
        defaults={"next_attempt_at": due, "created_at": ended_at},
    )
    if due <= ended_at:
        transaction.on_commit(wake)


def _due(person: User, ended_at: datetime) -> datetime:
    """At once after a silence; else with what waits already, or when a pause is over."""
    last = RunNotice.objects.filter(user=person).order_by("-created_at", "-pk").first()
    if last is None:
        return ended_at
    if last.status == NoticeStatus.PENDING and not last.attempts:
        return last.next_attempt_at
    return max(ended_at, last.created_at + PAUSE)


def is_wanted(run: Run, stage: str, ended_at: datetime) -> bool:
    """Whether its person wants mail about this end. Who canceled a run knows it."""
    person: User = run.created_by
    if not person.email or person.run_mail == RunMail.NONE or stage == Stage.CANCELED:
        return False
    if person.run_mail == RunMail.ALL or stage == Stage.ERROR:
        return True
    return ended_at - run.created_at >= timedelta(minutes=settings.HUB_MAIL_LONG_RUN_MINUTES)


def wake() -> None:
    """Tell the hub's worker; a broker that cannot be reached costs time only, beat asks too."""
    try:
        current_app.send_task(SEND, queue="hub", retry=False)
    except Exception:  # any transport, any failure: the rows stay and are found
        log.warning("mail: the wake-up could not be sent; the next round sends", exc_info=True)


def forget_old(now: datetime) -> int:
    """Forget what was told a month ago; how many."""
    told = RunNotice.objects.exclude(status=NoticeStatus.PENDING)
    return told.filter(created_at__lt=now - KEPT).delete()[0]


def due_people(now: datetime, limit: int) -> list[int]:
    """Whose mail is due, those who have waited longest first."""
    rows = RunNotice.objects.filter(status=NoticeStatus.PENDING, next_attempt_at__lte=now)
    people = rows.order_by("next_attempt_at", "pk").values_list("user_id", flat=True)[:500]
    return list(dict.fromkeys(people))[:limit]
