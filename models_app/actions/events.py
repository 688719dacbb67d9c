"""One way to write the log, which is also what webhooks hear of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    event = Event.objects.create(actor=actor.user, tag=tag, repo=repo, data=data)
    announce(event)
    return event
