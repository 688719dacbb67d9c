"""How much memory there is for a run of one flavor: what the operator allows, and what the machines have."""

from __future__ import annotations

from django.db.models import Q

from accounts.models import Namespace
from runs.flavors import memory_limit
from runs.forecasts import Room
from runs.models import Tier, Worker

# A run may take nine tenths of its machine where no limit is set; see training/overseer.py.
SHARE_OF_MACHINE = 0.9


def workers_for(namespace: Namespace | None, flavor: str) -> list[Worker]:
    """Enabled workers of the flavor that take the namespace's runs whatever they are about."""
    takes = Q(tier=Tier.TRUSTED) | Q(owner=namespace) if namespace else Q(tier=Tier.TRUSTED)
    return [worker for worker in Worker.objects.filter(takes, is_enabled=True) if flavor in worker.flavors]


def room_of(flavor: str, workers: list[Worker]) -> Room:
    """The largest that one of the workers has; unknown unless all of them have told what they are.

    A run that does not go into the largest machine goes into none.
    """
    allowed = memory_limit(flavor)
    told = _largest(workers, "memory_bytes")
    machine = None if told is None else int(told * SHARE_OF_MACHINE)
    known = [size for size in (allowed, machine) if size is not None]
    return Room(min(known, default=None), _largest(workers, "gpu_memory_bytes"))


def _largest(workers: list[Worker], what: str) -> int | None:
    sizes = [worker.hardware.get(what) for worker in workers]
    whole = [size for size in sizes if isinstance(size, int) and not isinstance(size, bool) and size > 0]
    return max(whole) if whole and len(whole) == len(sizes) else None
