"""The ledger of compute: one entry an attempt, opened and closed by `runs/lifecycle.py` alone, and its sums.

Charged is the worker's time, from the claim to the end, of attempts that were completed, canceled, or failed
by what they were given. What the platform failed costs nothing: lost and interrupted attempts, and errors
that `runs/doctor.py` lays at our door. Nor does a measured step.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Q, Sum
from django.utils import timezone

from runs.doctor import is_platform_fault
from runs.models import Attempt, Kind, Run, Stage
from runs.models.worker import heartbeat_patience

PERIOD = timedelta(days=30)
# How much of what was charged still counts against a namespace's turn: hours ago at most, and the part.
FADING = ((1, 1.0), (2, 0.5), (4, 0.25), (8, 0.125))
# No attempt that ended within the last of them began before this.
_LONGEST = timedelta(days=7)
_SPECIAL = {"run:timeout": "timeout", "run:worker-lost": "lost"}


def open_attempt(run: Run) -> None:
    """Note that the run's worker has it, from which step on; inside the claim's transaction."""
    worker = run.worker
    Attempt.objects.create(
        run=run,
        number=run.attempt,
        worker=worker,
        worker_name=worker.name if worker else "",
        namespace_id=run.namespace_id,
        flavor=run.flavor,
        started_at=run.claimed_at or timezone.now(),
        from_step=run.checkpoint_step or 0,
    )


def close_attempt(run: Run, *, outcome: str, message_id: str = "", message: str = "") -> None:
    """Enter what the attempt under way took, if there is one; inside the transaction that ends it.

    `run` is as it was before. Of a worker that fell silent the time counts to its last word.
    """
    if run.stage != Stage.RUNNING or run.claimed_at is None:
        return
    now = timezone.now()
    heard = run.heartbeat_at or now
    is_silent = outcome == "lost" or (outcome == "canceled" and heard < now - heartbeat_patience())
    until = heard if is_silent else now
    seconds = max(0.0, (until - run.claimed_at).total_seconds())
    end = {
        "ended_at": now,
        "outcome": outcome,
        "message_id": message_id[:64],
        "message": message[:2000],
        "seconds": seconds,
        "charged_seconds": seconds if is_charged(run.kind, outcome, message_id) else 0.0,
    }
    entry = Attempt.objects.filter(run=run, number=run.attempt, ended_at=None)
    if not entry.update(**end):
        # Claimed under an older release, which kept no ledger.
        open_attempt(run)
        entry.update(**end)


def outcome_of(stage: str, message_id: str) -> str:
    """What an attempt that ended its run came to."""
    if stage == Stage.ERROR:
        return _SPECIAL.get(message_id, "error")
    return "completed" if stage == Stage.COMPLETED else "canceled"


def is_charged(kind: str, outcome: str, message_id: str) -> bool:
    """Whether such an attempt is on the namespace's account."""
    if kind == Kind.PREFLIGHT or outcome in ("lost", "interrupted"):
        return False
    return outcome in ("completed", "canceled") or not is_platform_fault(message_id)


# --- sums


def charged_seconds(namespaces: Iterable[int], now: datetime) -> dict[int, float]:
    """What was charged within the period, by namespace; those without are left out."""
    rows = Attempt.objects.filter(namespace__in=list(namespaces), started_at__gte=now - PERIOD).order_by()
    sums = rows.values_list("namespace").annotate(Sum("charged_seconds"))
    return {namespace: seconds for namespace, seconds in sums if seconds}


def running_seconds(namespaces: Iterable[int], now: datetime) -> dict[int, float]:
    """What the trainings that go on have taken so far, by namespace."""
    rows = Run.objects.training().filter(stage=Stage.RUNNING, namespace__in=list(namespaces))
    taken: dict[int, float] = defaultdict(float)
    for namespace, since in rows.values_list("namespace", "claimed_at"):
        taken[namespace] += (now - (since or now)).total_seconds()
    return dict(taken)


def faded_seconds(namespaces: Iterable[int], now: datetime) -> dict[int, float]:
    """What was charged in the last hours, by namespace, the longer ago the less: see FADING."""
    sums = {
        f"last_{hours}": Sum("charged_seconds", filter=Q(ended_at__gt=now - timedelta(hours=hours)))
        for hours, _ in FADING
    }
    rows = Attempt.objects.filter(namespace__in=list(namespaces), started_at__gte=now - _LONGEST).order_by()
    found = {}
    for namespace, *within in rows.values("namespace").annotate(**sums).values_list("namespace", *sums):
        earlier = total = 0.0
        for seconds, (_, part) in zip(within, FADING, strict=True):
            total += ((seconds or 0.0) - earlier) * part
            earlier = seconds or 0.0
        found[namespace] = total
    return found
