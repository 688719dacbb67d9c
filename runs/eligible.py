"""Which runs a worker may take: the one condition that the claim, the queue and the pages share.

Tiers: a trusted worker takes every run; an owner's only the runs of the namespace it belongs to; a community
worker those too, and of others what is public anyway, so that whoever stands behind the machine reads nothing
there that they could not read without it.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from runs.flavors import FLAVORS
from runs.models import Kind, Stage, Tier, Worker, WorkerState

_NOTHING = Q(pk__in=[])


def eligible(worker: Worker, now: datetime | None = None) -> Q:
    """Runs that wait and that this worker may take now, in no order.

    Of flavors it counts those the hub lets the worker take; a claim narrows them to what it asked for.
    """
    if not worker.is_enabled or worker.state != WorkerState.ACTIVE:
        return _NOTHING
    return waiting(now) & Q(flavor__in=known_flavors(worker)) & within_tier(worker)


def waiting(now: datetime | None = None) -> Q:
    """Runs that any worker might take: not taken, not canceled, not held back after a fault of ours."""
    due = Q(not_before=None) | Q(not_before__lte=now or timezone.now())
    return Q(stage=Stage.SCHEDULING, cancel_requested_at=None) & due


def within_tier(worker: Worker) -> Q:
    """Runs, whatever their stage, that the worker's tier lets it see."""
    if worker.tier == Tier.TRUSTED:
        return Q()
    own = _NOTHING if worker.owner_id is None else Q(namespace_id=worker.owner_id)
    if worker.tier == Tier.COMMUNITY:
        return own | all_public()
    return own


def all_public() -> Q:
    """Runs whose every repo anybody may read: base, data, benchmark and result. A deleted one is not known to
    have been; a benchmark need not be; a preflight has no result."""
    no_benchmark = Q(benchmark_repo=None, benchmark_oid="")
    no_target = Q(target_repo=None, kind=Kind.PREFLIGHT)
    return (
        _public("base_repo")
        & _public("dataset_repo")
        & (no_benchmark | _public("benchmark_repo"))
        & (no_target | _public("target_repo"))
    )


def known_flavors(worker: Worker) -> list[str]:
    """The flavors it was given, as far as this hub has them."""
    return [flavor for flavor in FLAVORS if flavor in worker.flavors]


def _public(name: str) -> Q:
    """The twin, for everybody, of `models_app.access.check_repo`: not private, no gate, in service."""
    return Q(
        **{f"{name}__private": False, f"{name}__gated": "false", f"{name}__disabled_at__isnull": True},
        **{f"{name}__isnull": False},
    )
