"""The gate of sweeps: whoever belongs to the namespace, and whoever may see every run that is left of it."""

from __future__ import annotations

import uuid as uuids

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.actor import Actor, Level
from accounts.models import Namespace
from models_app.access import Forbidden, LoginRequired
from runs.access import RunNotFound
from runs.models import Run, RunQuerySet, Sweep


class SweepNotFound(RunNotFound):
    """There is no such sweep, or none that this caller may know of."""


def access_sweep(actor: Actor, uuid: str | uuids.UUID, need: Level = Level.READ) -> Sweep:
    """The sweep with this id, if the actor may do `need` with it.

    Raises SweepNotFound, Forbidden or LoginRequired.
    """
    sweep = visible_sweeps(actor).filter(uuid=_parse(uuid)).first()
    if sweep is None:
        raise SweepNotFound("There is no such sweep.")
    if need > Level.READ and _level(actor, sweep) < need:
        if actor.is_anonymous:
            raise LoginRequired("Sign in to change this sweep.")
        raise Forbidden("You don't have write access to the namespace of this sweep.")
    return sweep


def may_change(actor: Actor, sweep: Sweep) -> bool:
    """Whether the actor may cancel its runs and add others."""
    return _level(actor, sweep) >= Level.WRITE


def visible_sweeps(actor: Actor) -> QuerySet[Sweep]:
    """Sweeps the actor may see: its axes tell of all its runs, so one hidden run hides it from strangers."""
    left = Run.objects.filter(sweep=OuterRef("pk")).exclude(target_repo=None)
    hidden = left.exclude(pk__in=Run.objects.visible_to(actor).values("pk"))
    rows = Sweep.objects.select_related("namespace", "created_by")
    return rows.filter(Q(namespace__in=_reached(actor)) | (Exists(left) & ~Exists(hidden)))


def runs_of_sweep(actor: Actor, sweep: Sweep) -> RunQuerySet:
    """Its runs, as far as the actor may see them, in the order in which they were queued."""
    seen = Q(pk__in=Run.objects.visible_to(actor).values("pk"))
    if _level(actor, sweep) >= Level.READ:
        seen |= Q(target_repo=None)
    return Run.objects.filter(seen, sweep=sweep).order_by("sweep_index", "pk")


def _level(actor: Actor, sweep: Sweep) -> Level:
    level = actor.namespace_levels.get(sweep.namespace_id, Level.NONE)
    return min(level, actor.namespace_ceiling(sweep.namespace))


def _reached(actor: Actor) -> list[int]:
    """Namespaces in which the actor, with the credential in hand, may read what is private."""
    own = [pk for pk, level in actor.namespace_levels.items() if level >= Level.READ]
    known = Namespace.objects.filter(pk__in=own)
    return [row.pk for row in known if actor.namespace_ceiling(row) >= Level.READ]


def _parse(uuid: str | uuids.UUID) -> uuids.UUID:
    try:
        return uuid if isinstance(uuid, uuids.UUID) else uuids.UUID(uuid)
    except ValueError:
        raise SweepNotFound("There is no such sweep.") from None
