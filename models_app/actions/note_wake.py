"""Which events somebody may be told of, and the wake-up for the worker that does it."""

from __future__ import annotations

import logging
import threading
import time

from celery import current_app

from models_app.models import EventTag

log = logging.getLogger(__name__)

NOTIFY = "models_app.tasks.notify"
# The tags that actions/note_rules.py has rules for (tested); others are nobody's news from the start.
TOLD = frozenset(
    {
        EventTag.DISCUSSION_OPEN,
        EventTag.DISCUSSION_COMMENT,
        EventTag.DISCUSSION_STATUS,
        EventTag.DISCUSSION_MERGE,
        EventTag.DISCUSSION_ACCEPT,
        EventTag.RUN_FINISH,
        EventTag.ACCESS_ASK,
        EventTag.ACCESS_DECIDE,
        EventTag.FOLLOW_ADD,
        EventTag.LIKE_ADD,
        EventTag.COMMIT_ADD,
        EventTag.REPO_PUSH,
        EventTag.REPO_CREATE,
        EventTag.REPO_DUPLICATE,
        EventTag.REPO_SETTINGS,
        EventTag.BOARD_MOVE,
        EventTag.BADGE_EARN,
    }
)
# One wake-up takes whatever there is, so a flood of events needs no flood of messages.
PAUSE_SECONDS = 1.0
_sent = [0.0]


def wake() -> None:
    """Tell the hub's worker; a broker that hangs costs the request nothing, and beat asks too."""
    now = time.monotonic()
    if now - _sent[0] < PAUSE_SECONDS:
        return
    _sent[0] = now
    threading.Thread(target=_send, name="wake-notes", daemon=True).start()


def _send() -> None:
    try:
        current_app.send_task(NOTIFY, queue="hub", retry=False)
    except Exception:  # any transport, any failure: the rows stay and are found
        log.warning("inbox: the wake-up could not be sent; the next round tells", exc_info=True)
