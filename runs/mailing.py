"""Mail about runs, one a person and round, from the rows of `runs/notices.py`.

Every step is one UPDATE naming the attempt it expects. A worker that dies between handing the mail over and
saying so sends it again when its lease has run out, under the same Message-ID: mailboxes show one.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parseaddr
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import F, Q
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.actor import Actor, Level
from accounts.mail import stop_address
from accounts.models import RunMail, User
from models_app.templatetags.hub import metric_label, score
from runs.access import run_level
from runs.diagnoses import diagnosis_of
from runs.evidence import without_secrets
from runs.models import Run, Stage
from runs.models.notice import NoticeStatus, RunNotice
from runs.notices import due_people

log = logging.getLogger(__name__)

MAX_PEOPLE = 20
MAX_RUNS = 50
LEASE = timedelta(minutes=5)
RETRIES = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6))


@dataclass(frozen=True)
class Line:
    """One run in a mail: its name, what became of it in one line, its page."""

    name: str
    result: str
    url: str


def send_due(now: datetime) -> int:
    """One round: a mail to each person whose is due; how many people were dealt with. Safe to run twice."""
    people = due_people(now, MAX_PEOPLE)
    for pk in people:
        _write_to(User.objects.get(pk=pk), now)
    return len(people)


def _write_to(user: User, now: datetime) -> None:
    """Everything that is to be told goes into one mail, also what need not go yet; not what another worker
    has in hand."""
    free = Q(next_attempt_at__lte=now) | Q(attempts=0)
    rows = RunNotice.objects.filter(free, user=user, status=NoticeStatus.PENDING).order_by("pk")
    waiting = rows.select_related(
        "run__target_repo__namespace", "run__base_repo__namespace", "run__namespace", "run__created_by"
    )
    mine = [notice for notice in waiting[:MAX_RUNS] if _claim(notice, now)]
    told = [notice for notice in mine if _may_be_told(notice, user)]
    for notice in mine:
        if notice not in told:
            _update(notice, status=NoticeStatus.DROPPED, error="not to be told any more")
    if not told:
        return
    try:
        message_of(user, told).send()
    except (OSError, SMTPException, ValueError) as error:
        log.warning("mail: %s could not be sent: %s", told[0].uuid, type(error).__name__)
        for notice in told:
            _put_off(notice, error, now)
        return
    for notice in told:
        _update(notice, status=NoticeStatus.SENT)


def message_of(user: User, notices: Sequence[RunNotice]) -> EmailMessage:
    """Plain text: a line a run, where to read more, how to get no more of this."""
    lines = [line_of(notice.run) for notice in notices]
    stop = stop_address(user)
    body = render_to_string(
        "runs/mail.txt", {"lines": lines, "stop": stop, "hub": settings.HUB_PUBLIC_URL, "user": user}
    )
    sender = parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
    return EmailMessage(
        subject=_subject(lines),
        body=body,
        to=[user.email],
        headers={
            "Message-ID": f"<{notices[0].uuid}@{sender.rpartition('@')[2] or 'tuneyard'}>",
            "List-Unsubscribe": f"<{stop}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "Auto-Submitted": "auto-generated",
        },
    )


def line_of(run: Run) -> Line:
    """What became of a run, as it is now, in one line."""
    name = run.target_repo.repo_id if run.target_repo else str(run.uuid)
    return Line(name, _one_line(_result(run)), settings.HUB_PUBLIC_URL + run.get_absolute_url())


def _result(run: Run) -> str:
    diagnosis = diagnosis_of(run)
    if diagnosis is not None:
        return f"{_('failed:')} {without_secrets(run.message)} {diagnosis.next_step}"
    if run.stage != Stage.COMPLETED:
        return _("goes on again")
    found = run.score
    if found is None:
        return _("done")
    return f"{_('done:')} {metric_label(found.metric)} {score(found.value, found.metric)}"


def _subject(lines: Sequence[Line]) -> str:
    if len(lines) > 1:
        return _one_line(
            ngettext("%(n)d run has ended", "%(n)d runs have ended", len(lines)) % {"n": len(lines)}
        )
    return _one_line(f"{lines[0].name} {lines[0].result}")[:120]


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _may_be_told(notice: RunNotice, user: User) -> bool:
    """Asked again when it is sent: much may have changed since the run ended."""
    living = user.is_active and not user.is_suspended and bool(user.email)
    return living and user.run_mail != RunMail.NONE and run_level(Actor(user), notice.run) >= Level.READ


def _claim(notice: RunNotice, now: datetime) -> bool:
    taken = _update(notice, attempts=F("attempts") + 1, next_attempt_at=now + LEASE)
    notice.attempts += taken
    return bool(taken)


def _put_off(notice: RunNotice, error: Exception, now: datetime) -> None:
    fault = type(error).__name__
    if notice.attempts > len(RETRIES):
        _update(notice, status=NoticeStatus.DROPPED, error=fault)
    else:
        _update(notice, next_attempt_at=now + RETRIES[notice.attempts - 1], error=fault)


def _update(notice: RunNotice, **fields: object) -> int:
    """Change the row unless somebody else has taken it further meanwhile."""
    same = RunNotice.objects.filter(pk=notice.pk, status=NoticeStatus.PENDING, attempts=notice.attempts)
    return same.update(**fields)
