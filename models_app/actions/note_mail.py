"""Mail from the inbox: at once where somebody chose that, the rest in a digest of a day or a week.

Only to proven addresses, only what is unread and may still be seen. At least once (note_batches.py): a worker
that dies before it has said that a mail is out leaves it to the next one, which sends it again under the same
Message-ID, so that mailboxes show one.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from email.utils import parseaddr
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import ngettext

from accounts.mail import NOTES, stop_address
from accounts.models import Digest, User
from models_app.actions.note_batches import Batch, claim, digest_broken_off, waiting
from models_app.models import Notification
from models_app.telling import Mail
from models_app.telling_words import sentence

log = logging.getLogger(__name__)

MAX_PEOPLE = 50
PERIODS = {Digest.DAILY: timedelta(days=1), Digest.WEEKLY: timedelta(days=7)}
# What nobody read in a year, or read three months ago, is forgotten.
KEPT_READ, KEPT_UNREAD = timedelta(days=90), timedelta(days=365)
MAX_FORGOTTEN = 5000


def send_at_once(now: datetime) -> int:
    """One mail to each person who wants something at once and has not had it; how many."""
    if not settings.HUB_MAIL_ON:
        return 0
    wants = Q(user__note_settings__mail=Mail.AT_ONCE, user__note_settings__kind=F("kind"))
    keys = waiting(now).filter(wants, user__in=_reachable()).values_list("user_id", flat=True)
    people = User.objects.filter(pk__in=list(keys.order_by("user_id").distinct()[:MAX_PEOPLE]))
    return sum(_send_at_once(user, now) for user in people)


def send_due_digests(now: datetime) -> int:
    """One mail to each person whose digest is due and who has something in it; how many."""
    if not settings.HUB_MAIL_ON:
        return 0
    since = Coalesce("digest_sent_at", "date_joined")
    due = Q(digest_broken_off(now)) & ~Q(digest=Digest.NEVER)
    for period, length in PERIODS.items():
        due |= Q(digest=period, since__lte=now - length)
    people = _reachable().annotate(since=since).filter(due).order_by("since")
    # Whoever has nothing unread is not even looked at.
    people = people.filter(pk__in=waiting(now).values("user"))
    return sum(_send_digest(user, now) for user in people[:MAX_PEOPLE])


def _send_at_once(user: User, now: datetime) -> bool:
    """What fails keeps its lease, so that addresses that take no mail do not keep the others waiting."""
    batch = claim(user, Mail.AT_ONCE, now)
    return batch is not None and _send(user, batch)


def _send_digest(user: User, now: datetime) -> bool:
    same = User.objects.filter(pk=user.pk, digest_sent_at=user.digest_sent_at)
    if not same.update(digest_sent_at=now):
        return False  # another worker has it
    batch = claim(user, Mail.DIGEST, now)
    if batch is None:
        return False
    if _send(user, batch):
        return True
    batch.put_back()
    User.objects.filter(pk=user.pk, digest_sent_at=now).update(digest_sent_at=user.digest_sent_at)
    return False


def _send(user: User, batch: Batch) -> bool:
    try:
        with translation.override(user.language or settings.LANGUAGE_CODE):
            message_of(user, batch).send()
    except (OSError, SMTPException, ValueError) as error:
        log.warning("mail: a note could not be sent: %s", type(error).__name__)
        return False
    batch.mark_sent()
    return True


def message_of(user: User, batch: Batch) -> EmailMessage:
    """Plain text: a line a note with its address, how to choose, how to get no more of this."""
    stop = stop_address(user, NOTES)
    said = [(_one_line(sentence(line)), f"{settings.HUB_PUBLIC_URL}{_path(line)}") for line in batch.lines]
    context = {
        "lines": said,
        "stop": stop,
        "hub": settings.HUB_PUBLIC_URL,
        "settings": settings.HUB_PUBLIC_URL + reverse("note-settings"),
    }
    words = ngettext("%(count)d thing in your inbox", "%(count)d things in your inbox", len(said))
    sender = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "tuneyard"
    return EmailMessage(
        subject=said[0][0][:120] if len(said) == 1 else words % {"count": len(said)},
        body=render_to_string("inbox/mail.txt", context),
        to=[user.email],
        headers={
            "Message-ID": f"<{batch.uuid}@{sender}>",
            "List-Unsubscribe": f"<{stop}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "Auto-Submitted": "auto-generated",
        },
    )


def forget_old_notes(now: datetime) -> int:
    """Forget what was read or left long ago, some thousands at a time; how many."""
    old = Q(read_at__lt=now - KEPT_READ) | Q(read_at=None, created_at__lt=now - KEPT_UNREAD)
    keys = list(Notification.objects.filter(old).order_by("pk").values_list("pk", flat=True)[:MAX_FORGOTTEN])
    return Notification.objects.filter(pk__in=keys).delete()[0]


def _path(line: Notification) -> str:
    """Through the inbox, which marks it as read; what it does not show leads straight there."""
    return reverse("note", args=[line.uuid]) if line.in_site else line.path


def _reachable() -> QuerySet[User]:
    here = User.objects.filter(is_active=True, is_suspended=False, email_verified=True, note_mail=True)
    return here.exclude(email="")


def _one_line(text: str) -> str:
    return " ".join(text.split())
