"""What beat does for runs, so that none waits for ever on a lost message or a dead worker."""

from __future__ import annotations

import logging
import time

from celery import shared_task
from django.utils import timezone

from runs import badges, checkpoints, lifecycle, mailing, notices, preflights

log = logging.getLogger(__name__)

NOTICE_SECONDS = 20.0


@shared_task(name="runs.tasks.send_notices", ignore_result=True)
def send_notices(**_unknown: object) -> int:
    """After a run that somebody is told of, and by beat; safe to run twice at once. How many people."""
    until, count = time.monotonic() + NOTICE_SECONDS, 0
    while (done := mailing.send_due(timezone.now())) and time.monotonic() < until:
        count += done
    notices.forget_old(timezone.now())
    return count


@shared_task(name="runs.tasks.reap", ignore_result=True)
def reap(**_unknown: object) -> dict[str, int]:
    """Requeue silent runs, end overdue ones, send lost wake-ups again; safe to run twice at once."""
    now = timezone.now()
    counts = {
        "overdue": lifecycle.end_overdue(now),
        "stale": lifecycle.requeue_stale(now),
        "checkpoints": checkpoints.collect(now),
        "sent": lifecycle.resend_unclaimed(now),
        "preflights": preflights.prune(now),
    }
    if any(counts.values()):
        log.info("runs: %s", ", ".join(f"{count} {what}" for what, count in counts.items() if count))
    return counts


@shared_task(name="runs.tasks.rebuild_badges", ignore_result=True)
def rebuild_badges(**_unknown: object) -> int:
    """Every quarter of an hour, by beat; safe to run twice at once. How many badges were given or taken."""
    return sum(badges.rebuild_badges())
