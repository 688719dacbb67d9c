"""What workers and time do to a run. Every step is one UPDATE naming the stage and attempt it expects.

A run is claimed by whoever's UPDATE hits the row first; `attempt` rises with each claim, and whatever an
older attempt says later is refused (`NotYourRun`). That, and the revoked token, is the fence. The ledger's
entry of an attempt is opened and closed in the same transactions. How attempts end is in `runs/endings.py`.
"""

from __future__ import annotations

import uuid as uuids
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F
from django.utils import timezone

from models_app.access import Refusal
from runs import dispatch, ledger, queue, quotas
from runs.eligible import eligible
from runs.eligible import waiting as due
from runs.endings import PAUSES, NotYourRun, finish_run, put_back
from runs.models import Doing, Kind, Run, Stage, Worker
from runs.published import find_published
from runs.runtokens import mint_run_token, revoke_run_tokens
from runs.workers import note_machine, takes_work

__all__ = [
    "PAUSES",
    "Claim",
    "NotClaimable",
    "NotYourRun",
    "claim",
    "claim_next",
    "end_overdue",
    "finish_run",
    "put_back",
    "requeue_stale",
    "resend_unclaimed",
    "set_priority",
]
# Of a run taken in the same moment by somebody else one goes to the next; so often, then it is asked anew.
MAX_TRIES = 100
MAX_PRIORITY = 100
SILENT = "The worker stopped answering {losses} times in a row, so the run was given up. Submit it again; "
SILENT += "if it happens again, the worker's own log says why (often: out of memory)."
TIMEOUT = "The run took longer than its time limit of {hours:g} h and was stopped."


class NotClaimable(Refusal):
    """Somebody else has the run, it has ended, or this worker cannot serve it."""


@dataclass(frozen=True)
class Claim:
    """What a worker gets: the run, its token's text, and the commit an earlier attempt made, if any."""

    run: Run
    token: str
    published_oid: str | None


def claim_next(
    worker: Worker,
    *,
    flavors: Sequence[str],
    versions: Mapping[str, str],
    hardware: Mapping[str, Any] | None = None,
) -> Claim | None:
    """The first run of the queue that this worker gets; None when there is none for it."""
    note_machine(worker, versions=versions, hardware=hardware or {}, doing=Doing.IDLE)
    for key in islice(queue.candidates(worker, flavors), MAX_TRIES):
        try:
            return _take(worker, key)
        except NotClaimable:  # another worker was faster, its namespace has no room, or a repo is gone
            continue
    return None


def claim(
    worker: Worker,
    uuid: uuids.UUID,
    *,
    flavors: Sequence[str],
    versions: Mapping[str, str],
    hardware: Mapping[str, Any] | None = None,
) -> Claim:
    """Take just this run for this worker, or raise NotClaimable."""
    note_machine(worker, versions=versions, hardware=hardware or {}, doing=Doing.IDLE)
    waiting = Run.objects.filter(eligible(worker), flavor__in=list(flavors), uuid=uuid)
    key = waiting.values_list("pk", flat=True).first()
    if key is None:
        raise NotClaimable("This run is not waiting for a worker like you.")
    return _take(worker, key)


def _take(worker: Worker, key: int) -> Claim:
    _check_repos(key)
    with transaction.atomic():
        now = timezone.now()
        if not quotas.may_start(key):
            raise NotClaimable("The namespace has as many runs under way as it may have.")
        # Of the run its own columns alone: only those PostgreSQL reads again once another's claim is through.
        still = Exists(Worker.objects.filter(takes_work(worker)))
        taken = Run.objects.filter(due(now), still, pk=key).update(
            stage=Stage.RUNNING,
            attempt=F("attempt") + 1,
            worker=worker,
            claimed_at=now,
            heartbeat_at=now,
            not_before=None,
            activity="starting",
            message="",
            message_id="",
        )
        if not taken:
            raise NotClaimable("This run is not waiting for a worker like you.")
        Worker.objects.filter(pk=worker.pk).update(doing=Doing.BUSY)
        run = Run.objects.for_pages().get(pk=key)
        ledger.open_attempt(run)
        revoke_run_tokens(run)
        token = mint_run_token(run)
    # Only an earlier attempt can have published.
    return Claim(run, token, find_published(run) if run.attempt > 1 else None)


def _check_repos(key: int) -> None:
    """End a run whose inputs or target were deleted while it waited. Raises NotClaimable."""
    run = Run.objects.for_pages().filter(pk=key, stage=Stage.SCHEDULING).first()
    if run is None:
        return
    wanted = ["base", "dataset", *(["target"] if run.kind == Kind.TRAIN else [])]
    missing = [what for what in wanted if getattr(run, f"{what}_repo") is None]
    if missing:
        text = f"The {missing[0]} repo of this run was deleted before a worker took it."
        _settle(partial(finish_run, stage=Stage.ERROR, message_id="run:repo-deleted", message=text), run)
        raise NotClaimable(text)


def set_priority(run: Run, *, priority: int) -> None:
    """Put a waiting run before (above 0) or behind (below) all others. Raises NotClaimable for another."""
    wanted = max(-MAX_PRIORITY, min(MAX_PRIORITY, priority))
    if not Run.objects.filter(pk=run.pk, stage=Stage.SCHEDULING).update(priority=wanted):
        raise NotClaimable("Only a run that waits has a place in the queue.")


# --- what time does


def requeue_stale(now: datetime) -> int:
    """Give the runs of silent workers to others, or up; the number of runs touched."""
    stale = Run.objects.stale(now).select_related("created_by", "target_repo", "worker")
    return sum(_settle(_requeue_one, run) for run in stale)


def _requeue_one(run: Run) -> None:
    if run.cancel_requested_at is not None:
        finish_run(run, stage=Stage.CANCELED)
    elif run.losses + 1 >= settings.HUB_RUN_ATTEMPTS:
        text = SILENT.format(losses=run.losses + 1)
        finish_run(run, stage=Stage.ERROR, message_id="run:worker-lost", message=text)
    else:
        put_back(run, lost=True)


def resend_unclaimed(now: datetime) -> int:
    """Call workers again for runs that nobody took; how many calls."""
    return dispatch.resend(now)


def end_overdue(now: datetime) -> int:
    """End the runs whose current attempt has used up its time; the number of runs ended."""
    running = Run.objects.filter(stage=Stage.RUNNING).select_related("created_by", "target_repo", "worker")
    overdue = [run for run in running if run.claimed_at and run.claimed_at + run.time_limit < now]
    return sum(_settle(_end_one, run) for run in overdue)


def _end_one(run: Run) -> None:
    text = TIMEOUT.format(hours=run.timeout_seconds / 3600)
    finish_run(run, stage=Stage.ERROR, message_id="run:timeout", message=text)


def _settle(step: Callable[[Run], object], run: Run) -> int:
    """Take one step unless the run has moved on in the meantime, which is good news."""
    try:
        step(run)
    except NotYourRun:
        return 0
    return 1
