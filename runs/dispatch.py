"""Sending wake-ups. A message says only that there is work for its queue; losing it costs time, never a run.

A worker that wakes, begins or has finished a run asks for the next until there is none. So a message is due
only where somebody is idle: one for each idle worker of the flavor, and one where none is online. Which run
it names means nothing; the run's `sent_at` and `sends` say when a worker was last called on its behalf.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from datetime import datetime, timedelta

from celery import current_app
from django.conf import settings
from django.db.models import F
from django.utils import timezone

from runs.eligible import waiting
from runs.flavors import FLAVORS
from runs.models import Run, Stage, Worker, WorkerState

log = logging.getLogger(__name__)

EXECUTE = "training.execute_run"
MAX_RESEND_SECONDS = 3600
# A message this young may be on its way still.
ON_ITS_WAY = timedelta(seconds=2)


def wake(run: Run) -> bool:
    """Call a worker of the run's flavor, where one may be idle and has not just been called.

    False (and a log line) also when the broker cannot be reached: that must not lose the run or fail the
    visitor's request; the reaper calls again.
    """
    now = timezone.now()
    idle = idle_workers(now).get(run.flavor)
    calls = Run.objects.filter(waiting(now), flavor=run.flavor, sent_at__isnull=False)
    on_their_way = sum(
        sent_at is not None and sent_at > now - (patience(sends) if idle is None else ON_ITS_WAY)
        for sent_at, sends in calls.values_list("sent_at", "sends")
    )
    return on_their_way < _wanted(idle) and _send(run)


def resend(now: datetime) -> int:
    """Call again for runs nobody took, after 1, 2, 4 … reaper periods and at most an hour; how many calls.

    However many wait, no more calls are out than `_wanted` says.
    """
    by_flavor: dict[str, list[Run]] = defaultdict(list)
    for run in Run.objects.filter(waiting(now)).only("pk", "uuid", "flavor", "sent_at", "sends"):
        by_flavor[run.flavor].append(run)
    idle = idle_workers(now) if by_flavor else {}
    sent = 0
    for flavor, runs in by_flavor.items():
        late = [run for run in runs if run.sent_at is None or run.sent_at + patience(run.sends) < now]
        # Those called for most often first, so that the pauses grow where nobody comes.
        late.sort(key=lambda run: (-run.sends, run.pk))
        free = max(0, _wanted(idle.get(flavor)) - (len(runs) - len(late)))
        sent += sum(_send(run) for run in late[:free])
    return sent


def _wanted(idle: int | None) -> int:
    """How many calls may be out at once: one for each idle worker, and one where none is online."""
    return 1 if idle is None else idle


def _send(run: Run) -> bool:
    calls = Run.objects.filter(pk=run.pk, stage=Stage.SCHEDULING)
    if not calls.update(sent_at=timezone.now(), sends=F("sends") + 1):
        return False
    try:
        current_app.send_task(EXECUTE, args=[str(run.uuid)], queue=FLAVORS[run.flavor].queue, retry=False)
    except Exception:  # any transport, any failure: the run stays in the table and is called for again
        log.warning("%s: the wake-up could not be sent; the reaper sends another", run.flavor, exc_info=True)
        return False
    return True


def idle_workers(now: datetime) -> dict[str, int]:
    """By flavor, how many of the workers online have no run; flavors without a worker online are left out."""
    at_work = set(Run.objects.filter(stage=Stage.RUNNING).values_list("worker", flat=True))
    idle: dict[str, int] = defaultdict(int)
    for worker in Worker.objects.online(now).filter(state=WorkerState.ACTIVE):
        for flavor in worker.flavors:
            idle[flavor] += worker.pk not in at_work
    return dict(idle)


def patience(sends: int) -> timedelta:
    """How long after so many calls the next is made."""
    doubled = settings.HUB_REAPER_SECONDS * 2 ** min(max(sends - 1, 0), 20)
    return timedelta(seconds=min(doubled, MAX_RESEND_SECONDS))
