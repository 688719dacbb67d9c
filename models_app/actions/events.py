"""One way to write the log, which is also what webhooks hear of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from models_app.actions.note_wake import TOLD, wake
from models_app.actions.webhooks import announce
from models_app.models import Event, EventTag, Repo

if TYPE_CHECKING:
    from accounts.actor import Actor


def record_event(actor: Actor, tag: EventTag, *, repo: Repo | None = None, **data: Any) -> Event:
    """Append to the log; call inside the action's transaction, so that both happen or neither.

    Webhooks read of `data`: `branch`, `tag_name` or `ref`, with `oid`, `parent`, `old`, `new`; or `refs`, of
    each `{"ref", "old", "new"}`; `changed` of settings; `from_id` of moves; `num` and `event` of discussions;
    `uuid` of deleted repos and of buckets; `run`, `stage`, `attempt`, `message_id` and `message` of runs.
    """
    is_news = tag in TOLD
    event = Event.objects.create(
        actor=actor.user, tag=tag, repo=repo, data=data, notified_at=None if is_news else timezone.now()
    )
    announce(event)
    if is_news:
        transaction.on_commit(wake)
    return event
