"""From the log to inboxes: each event is turned into lines for those whom it concerns, once.

`Event.notified_at` is the truth: it is set in the transaction that writes the lines, so a worker that dies
half-way begins again. Safe to run twice at once.
"""

from __future__ import annotations

import logging

from django.db import DatabaseError, transaction
from django.utils import timezone

from models_app.actions.note_rules import RULES
from models_app.actions.notes import put_note
from models_app.models import Event

log = logging.getLogger(__name__)

BATCH = 200


def notify_due(limit: int = BATCH) -> int:
    """Tell of the oldest events nobody has been told of yet; how many events were dealt with."""
    keys = list(Event.objects.filter(notified_at=None).order_by("pk").values_list("pk", flat=True)[:limit])
    for key in keys:
        _tell(key)
    return len(keys)


def _tell(key: int) -> None:
    try:
        with transaction.atomic():
            if not Event.objects.filter(pk=key, notified_at=None).update(notified_at=timezone.now()):
                return  # another worker has it
            event = Event.objects.select_related("actor", "repo__namespace").get(pk=key)
            rule = RULES.get(event.tag)
            for note in rule(event) if rule is not None else ():
                put_note(note, event)
    except DatabaseError:
        raise  # a busy or broken database: it stays to be told of
    except Exception:
        # A fault in one rule costs the news of one event, not of all that come after it.
        log.exception("event %s could not be told of", key)
        Event.objects.filter(pk=key).update(notified_at=timezone.now())
