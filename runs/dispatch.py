"""Sending the wake-up. The message carries the run's id only; losing it costs time, never the run."""

from __future__ import annotations

import logging

from celery import current_app
from django.db.models import F
from django.utils import timezone

from runs.flavors import FLAVORS
from runs.models import Run, Stage

log = logging.getLogger(__name__)

EXECUTE = "training.execute_run"


def wake(run: Run) -> bool:
    """Tell a worker of the run's flavor; False (and a log line) when the broker cannot be reached.

    A broken broker must not lose the run or fail the visitor's request: the reaper sends again.
    """
    waiting = Run.objects.filter(pk=run.pk, stage=Stage.SCHEDULING)
    if not waiting.update(sent_at=timezone.now(), sends=F("sends") + 1):
        return False
    try:
        current_app.send_task(EXECUTE, args=[str(run.uuid)], queue=FLAVORS[run.flavor].queue, retry=False)
    except Exception:  # any transport, any failure: the run stays in the table and is sent again
        log.warning(
            "run %s: the wake-up could not be sent; the reaper will send it again", run.uuid, exc_info=True
        )
        return False
    return True
