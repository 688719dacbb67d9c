"""Writing lines of inboxes: many people at once, one line for what belongs together."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from models_app.models import Event, Notification, Repo
from models_app.telling import Mail, choices_for, readers_among

# Rows of one statement: both databases take so many values at once.
BATCH = 500


@dataclass(frozen=True)
class Note:
    """What some people are to be told; `key` joins it with what they have not read yet."""

    kind: str
    key: str
    users: Collection[int]
    repo: Repo | None = None
    path: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    # Also whoever did it themself is told: the end of one's own run is news.
    also_oneself: bool = False


def put_note(note: Note, event: Event | None = None) -> int:
    """Write the note for those of its people who may know and want to; how many. Call in a transaction."""
    users = set(note.users)
    if event is not None and event.actor_id is not None and not note.also_oneself:
        users.discard(event.actor_id)
    users = readers_among(note.repo, users) if users else users
    wanted = choices_for(users, note.kind) if users else {}
    rows = [
        _row(note, event, user, in_site=choice.in_site)
        for user, choice in sorted(wanted.items())
        if choice.in_site or choice.mail != Mail.NEVER
    ]
    for batch in _batches(rows):
        _upsert(batch)
    return len(rows)


def mark_read(rows: Any) -> int:
    """Mark these lines (a queryset of one person's) as read; how many were not."""
    return int(rows.filter(read_at=None).update(read_at=timezone.now()))


def _row(note: Note, event: Event | None, user: int, *, in_site: bool) -> Notification:
    return Notification(
        user_id=user,
        kind=note.kind,
        key=note.key[:120],
        event=event,
        actor_id=event.actor_id if event is not None else None,
        repo=note.repo,
        path=note.path[:500],
        data=note.data,
        in_site=in_site,
        created_at=timezone.now(),
    )


def _batches(rows: Sequence[Notification]) -> Iterator[list[Notification]]:
    left = iter(rows)
    while batch := list(islice(left, BATCH)):
        yield batch


# What a line that nobody has read yet takes over from the newer one; it goes by a new mail then, also where
# one with the older news is on its way.
_NEWER = (
    "event_id", "actor_id", "path", "data", "in_site", "created_at",
    "mailed_at", "mail_uuid", "mail_claimed_at",
)  # fmt: skip


@transaction.atomic
def _upsert(rows: list[Notification]) -> None:
    """Insert, or count one more on the unread line with the same key: one statement, so that two processes
    at once lose nothing. Django's own upsert knows no partial index."""
    meta = Notification._meta
    fields = [each for each in meta.concrete_fields if not each.primary_key]
    quote = connection.ops.quote_name
    table, columns = quote(meta.db_table), ", ".join(quote(str(each.column)) for each in fields)
    values = ", ".join(["(" + ", ".join(["%s"] * len(fields)) + ")"] * len(rows))
    newer = ", ".join(f"{quote(name)} = excluded.{quote(name)}" for name in _NEWER)
    parameters = [
        each.get_db_prep_save(getattr(row, each.attname), connection) for row in rows for each in fields
    ]
    # Every name in it comes from the model; values are parameters.
    statement = (
        f"INSERT INTO {table} ({columns}) VALUES {values} "  # noqa: S608
        f"ON CONFLICT ({quote('user_id')}, {quote('key')}) WHERE {quote('read_at')} IS NULL "
        f"DO UPDATE SET {quote('count')} = {table}.{quote('count')} + 1, {newer}"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
