"""What a namespace has computed: for its members. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, F, Q, QuerySet, Sum

from accounts.actor import Actor, Level
from accounts.models import Namespace
from models_app.access import NotThere
from runs.ledger import PERIOD
from runs.models import Attempt, Kind


@dataclass(frozen=True)
class Person:
    """Whose runs took what within the period; `free` seconds were the platform's fault, or a preflight's."""

    username: str
    runs: int
    seconds: float
    free: float


def access_compute(actor: Actor, name: str) -> Namespace:
    """The namespace, if the actor is one of its people or staff in a browser. Raises NotThere."""
    namespace = Namespace.objects.named(name).first()
    if namespace is None or not _may_see(actor, namespace):
        raise NotThere("There is no such namespace, or what it computes is not for you to see.")
    return namespace


def _may_see(actor: Actor, namespace: Namespace) -> bool:
    if actor.user is not None and actor.user.is_staff and actor.token is None:
        return True
    level = actor.namespace_levels.get(namespace.pk, Level.NONE)
    return min(level, actor.namespace_ceiling(namespace)) >= Level.READ


def people_of(namespace: Namespace, now: datetime) -> list[Person]:
    """Who used what within the period, most first."""
    rows = _period(namespace, now).order_by().values_list("run__created_by__username")
    runs = Count("run", distinct=True, filter=Q(run__kind=Kind.TRAIN))
    sums = rows.annotate(runs=runs, charged=Sum("charged_seconds"), taken=Sum("seconds"))
    people = [Person(name, runs, charged, taken - charged) for name, runs, charged, taken in sums]
    return sorted(people, key=lambda one: (-one.seconds, one.username))


def entries_of(namespace: Namespace, now: datetime) -> QuerySet[Attempt]:
    """The ledger's entries of the period, newest first."""
    entries = _period(namespace, now).select_related("run__created_by", "run__target_repo__namespace")
    return entries.order_by(F("started_at").desc(), F("pk").desc())


def _period(namespace: Namespace, now: datetime) -> QuerySet[Attempt]:
    return Attempt.objects.filter(namespace=namespace, started_at__gte=now - PERIOD)
