"""Which lines of an inbox make up one mail, and who has that mail in hand.

Every step is one UPDATE naming what it expects. A worker that dies before it has said that the mail is out
loses its lease, and the next one sends the same lines under the same name (`uuid`, the mail's Message-ID).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.actor import Actor
from accounts.models import User
from models_app.models import Notification
from models_app.telling import Mail, choices_of, mailed_of

# Far longer than a mail server is waited for.
LEASE = timedelta(minutes=5)
MAX_LINES = 50


@dataclass(frozen=True)
class Batch:
    """The lines of one mail; `before` is since when the worker that began it had it, if another did."""

    uuid: UUID
    lines: list[Notification]
    claimed_at: datetime
    before: datetime | None

    def mark_sent(self) -> None:
        """What was said of a line meanwhile took the mark off again and goes by a mail of its own."""
        self._rows().update(mailed_at=self.claimed_at)

    def put_back(self) -> None:
        """As it was found, for a mail that the server did not take."""
        self._rows().update(mail_claimed_at=self.before)

    def _rows(self) -> QuerySet[Notification]:
        return Notification.objects.filter(
            mail_uuid=self.uuid, mail_claimed_at=self.claimed_at, mailed_at=None
        )


def waiting(now: datetime) -> QuerySet[Notification]:
    """Unread lines that no mail has told of and no living worker has in hand."""
    free = Q(mail_claimed_at=None) | _given_up(now)
    return Notification.objects.filter(free, read_at=None, mailed_at=None)


def digest_broken_off(now: datetime) -> Exists:
    """Of people: whether their last digest was begun, and its worker is not heard of any more."""
    begun = Notification.objects.filter(_given_up(now), read_at=None, mailed_at=None)
    return Exists(begun.filter(user=OuterRef("pk"), mail_claimed_at=OuterRef("digest_sent_at")))


def claim(user: User, how: str, now: datetime) -> Batch | None:
    """Take the mail that somebody else began and did not finish, else begin one with what is new; None where
    there is nothing, or another worker was faster."""
    choices = choices_of(user)
    visible = mailed_of(Actor(user))
    free = visible.filter(
        pk__in=waiting(now).values("pk"), kind__in=[kind for kind, one in choices.items() if one.mail == how]
    )
    begun = free.filter(mail_uuid__isnull=False).first()
    if begun is not None and begun.mail_uuid is not None:
        uuid, before, expected = (
            begun.mail_uuid,
            begun.mail_claimed_at,
            Q(user=user, mail_uuid=begun.mail_uuid),
        )
    else:
        keys = list(free.values_list("pk", flat=True)[:MAX_LINES])
        uuid, before, expected = uuid4(), None, Q(pk__in=keys, mail_uuid=None)
    rows = Notification.objects.filter(expected, mail_claimed_at=before, mailed_at=None)
    if not rows.update(mail_uuid=uuid, mail_claimed_at=now):
        return None
    # A mail stays whole where its person has since chosen another way for some of it, but for what they no
    # longer want at all.
    wanted = [kind for kind, one in choices.items() if one.mail != Mail.NEVER]
    lines = visible.filter(mail_uuid=uuid, mail_claimed_at=now, kind__in=wanted, read_at=None)
    batch = Batch(uuid, list(lines), now, before)
    return batch if batch.lines else None


def _given_up(now: datetime) -> Q:
    return Q(mail_claimed_at__lte=now - LEASE)
