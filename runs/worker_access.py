"""The gate of machines: people reach their own and those of the organizations they are an admin of, by
browser; and the reads that pages share."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.actor import Actor, Level
from accounts.models import Namespace
from models_app.access import LoginRequired, NotThere
from runs.models import Run, Stage, Tier, Worker, WorkerState

NO_MACHINE = "There is no such machine."


@dataclass(frozen=True)
class MachineRow:
    """One machine as its page shows it; `runs` are those in its hands that the viewer may see."""

    worker: Worker
    runs: list[Run] = field(default_factory=list)
    # how many more are in its hands: somebody's private matter
    hidden: int = 0

    @property
    def is_busy(self) -> bool:
        return bool(self.runs) or self.hidden > 0


def machine_namespace(actor: Actor, name: str | None) -> Namespace:
    """Whose machines a page is about (None: the actor's own). Raises LoginRequired, NotThere; a stranger's
    namespace and a missing one look alike."""
    if actor.user is None:
        raise LoginRequired("Sign in to see your machines.")
    user = actor.at_browser()
    if name is None:
        return Namespace.objects.get(user=user)
    found = Namespace.objects.named(name).filter(organization__isnull=False).first()
    if found is None or not _administers(actor, found.pk):
        raise NotThere("There is no such organization.")
    return found


def access_machine(actor: Actor, pk: int) -> Worker:
    """A machine the actor may change. Raises LoginRequired, NotThere: the hub's own are nobody's."""
    if actor.user is None:
        raise LoginRequired("Sign in to change a machine.")
    actor.at_browser()
    found = Worker.objects.filter(pk=pk, owner__isnull=False).select_related("owner").first()
    if found is None or found.owner_id is None or not _administers(actor, found.owner_id):
        raise NotThere(NO_MACHINE)
    return found


def _administers(actor: Actor, namespace_id: int) -> bool:
    is_staff = actor.user is not None and actor.user.is_staff
    return is_staff or actor.namespace_levels.get(namespace_id, Level.NONE) >= Level.ADMIN


def machine_rows(actor: Actor, namespace: Namespace) -> list[MachineRow]:
    """The namespace's machines by name, each with what it does now; three queries."""
    workers = list(Worker.objects.filter(owner=namespace))
    held = Run.objects.filter(worker__in=workers, stage=Stage.RUNNING)
    seen: dict[int, list[Run]] = {}
    for run in held.visible_to(actor).for_pages():
        seen.setdefault(run.worker_id or 0, []).append(run)
    counts: dict[int, int] = {}
    for worker_id in held.values_list("worker_id", flat=True):
        counts[worker_id or 0] = counts.get(worker_id or 0, 0) + 1
    return [
        MachineRow(worker, runs := seen.get(worker.pk, []), counts.get(worker.pk, 0) - len(runs))
        for worker in workers
    ]


def online_workers() -> QuerySet[Worker]:
    """Workers that would take a run now."""
    return Worker.objects.online(timezone.now()).filter(state=WorkerState.ACTIVE)


@dataclass(frozen=True)
class Places:
    """On which machines runs of a namespace may land, as numbers of those online."""

    trusted: int
    # machines of the person's own namespaces, online or not, of any tier
    own: list[Worker]
    community: int


def places_for(actor: Actor) -> Places:
    """What the fine-tune form says of where a run may land."""
    online = online_workers()
    keys = [pk for pk, level in actor.namespace_levels.items() if level >= Level.WRITE]
    own = Worker.objects.filter(owner__in=keys, is_enabled=True).exclude(state=WorkerState.OFFLINE)
    others = online.filter(tier=Tier.COMMUNITY).exclude(Q(owner__in=keys))
    return Places(online.filter(tier=Tier.TRUSTED).count(), list(own), others.count())
