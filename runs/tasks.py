"""What beat does for runs, so that none waits for ever on a lost message or a dead worker."""

from __future__ import annotations

import logging

from celery import shared_task
from django.utils import timezone

from runs import checkpoints, lifecycle, preflights

log = logging.getLogger(__name__)


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
