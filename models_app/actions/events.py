"""One way to write the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models_app.models import Event, EventTag, Repo

if TYPE_CHECKING:
    from accounts.actor import Actor


def record_event(actor: Actor, tag: EventTag, *, repo: Repo | None = None, **data: Any) -> Event:
    """Append to the log; call inside the action's transaction, so that both happen or neither."""
    return Event.objects.create(actor=actor.user, tag=tag, repo=repo, data=data)
