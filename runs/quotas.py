"""How much a namespace may queue, run and compute: the hub's settings, or what staff set for it.

0 means no limit everywhere. A limit refuses new runs or lets them wait; what runs is never ended for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Count
from django.utils import timezone

from accounts.models import Namespace
from models_app.access import Refusal
from runs import ledger
from runs.models import ComputeQuota, Kind, Run, Stage


class TooManyRuns(Refusal):
    """The namespace has as many waiting runs as the hub keeps for one."""


class ComputeUsedUp(TooManyRuns):
    """The namespace has used its compute minutes of the last 30 days."""


@dataclass(frozen=True)
class Limits:
    """Of one namespace; 0: none."""

    minutes: int
    running: int
    waiting: int

    @property
    def seconds(self) -> float | None:
        """Of compute within the period; None: no limit."""
        return self.minutes * 60.0 if self.minutes else None


@dataclass(frozen=True)
class Usage:
    """How a namespace stands: runs now, and seconds charged within the period or running up."""

    limits: Limits
    running: int
    waiting: int
    seconds: float

    @property
    def seconds_left(self) -> float | None:
        """None: no limit."""
        whole = self.limits.seconds
        return None if whole is None else max(0.0, whole - self.seconds)


@dataclass(frozen=True)
class Room:
    """How many trainings of a namespace may begin now; what keeps the next one: "running" or "minutes"."""

    runs: int
    why: str


def limits_of(namespaces: Iterable[int]) -> dict[int, Limits]:
    """The limits of these namespaces, in one query."""
    wanted = list(namespaces)
    own = {quota.namespace_id: quota for quota in ComputeQuota.objects.filter(namespace__in=wanted)}
    return {namespace: _limits(own.get(namespace)) for namespace in wanted}


def _limits(own: ComputeQuota | None) -> Limits:
    def told(name: str, otherwise: int) -> int:
        value = getattr(own, name, None)
        return otherwise if value is None else value

    return Limits(
        minutes=told("minutes", settings.HUB_COMPUTE_MINUTES),
        running=told("max_running", settings.HUB_MAX_RUNNING_PER_NAMESPACE),
        waiting=told("max_waiting", settings.HUB_MAX_WAITING_PER_NAMESPACE),
    )


def usage_of(namespace: Namespace, now: datetime | None = None) -> Usage:
    """How the namespace stands now."""
    now = now or timezone.now()
    stages = Run.objects.training().active().filter(namespace=namespace).order_by()
    counts = dict(stages.values_list("stage").annotate(Count("pk")))
    return Usage(
        limits=limits_of([namespace.pk])[namespace.pk],
        running=counts.get(Stage.RUNNING, 0),
        waiting=counts.get(Stage.SCHEDULING, 0),
        seconds=_seconds([namespace.pk], now).get(namespace.pk, 0.0),
    )


def check_may_queue(namespace: Namespace) -> None:
    """Whether one more run may wait; call inside the transaction that adds it. Raises TooManyRuns, of which
    ComputeUsedUp is one.

    On PostgreSQL two runs added at the same moment may both be the last.
    """
    usage = usage_of(namespace)
    limits = usage.limits
    if limits.waiting and usage.waiting >= limits.waiting:
        text = (
            f"{namespace.name} has {usage.waiting} runs waiting, as many as this hub keeps for one namespace"
        )
        raise TooManyRuns(f"{text}; wait for one to begin, or cancel one.")
    if usage.seconds_left == 0:
        text = f"{namespace.name} has used the {limits.minutes} compute minutes that it has for 30 days"
        raise ComputeUsedUp(f"{text}; they come free again as earlier runs fall out of the 30 days.")


def may_start(key: int) -> bool:
    """Whether the namespace of the run with this key has room for it now; inside the claim's transaction.

    Where there is a limit the namespace's row is locked, so that two workers do not both take the last place.
    """
    namespace, kind = Run.objects.values_list("namespace", "kind").get(pk=key)
    limit = limits_of([namespace])[namespace].running
    if not limit or kind != Kind.TRAIN:
        return True
    Namespace.objects.select_for_update(no_key=True).get(pk=namespace)
    return Run.objects.training().filter(stage=Stage.RUNNING, namespace=namespace).count() < limit


def room_of(namespaces: Iterable[int], now: datetime) -> dict[int, Room]:
    """What may begin now of each namespace that has a limit, in three queries at most."""
    limits = {pk: found for pk, found in limits_of(namespaces).items() if found.running or found.minutes}
    if not limits:
        return {}
    rows = Run.objects.training().filter(stage=Stage.RUNNING, namespace__in=limits).order_by()
    running = dict(rows.values_list("namespace").annotate(Count("pk")))
    used = _seconds([pk for pk, found in limits.items() if found.minutes], now)
    room = {}
    for pk, found in limits.items():
        if found.seconds is not None and used.get(pk, 0.0) >= found.seconds:
            room[pk] = Room(0, "minutes")
        elif found.running:
            room[pk] = Room(max(0, found.running - running.get(pk, 0)), "running")
    return room


def _seconds(namespaces: list[int], now: datetime) -> dict[int, float]:
    if not namespaces:
        return {}
    charged, running = ledger.charged_seconds(namespaces, now), ledger.running_seconds(namespaces, now)
    return {pk: charged.get(pk, 0.0) + running.get(pk, 0.0) for pk in {*charged, *running}}
