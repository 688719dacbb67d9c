"""The queue as it stands: which run a worker takes next, where a run is in the line, when it may begin.

The order is `runs/fairshare.py`'s. Nothing is kept: an answer is as true as the tables are at the moment.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from models_app.api.wire import wire_time
from runs import quotas
from runs.eligible import eligible
from runs.eligible import waiting as due
from runs.expecting import Typical, entries, served
from runs.fairshare import Slot, Waiting, in_order, starts
from runs.models import Run, Stage, Tier, Worker, WorkerState

# A run that takes longer than it should is near its end, as far as anybody can tell.
_OVERDUE_PART = 0.1


@dataclass(frozen=True)
class Place:
    """Where a waiting run is in its flavor's line, from 1, and when it may begin.

    `starts_at` None: nobody can tell. `held` says why it is passed over for now: "running" or "minutes" (a
    limit of its namespace), "pause" (after a fault of ours), "workers" (none is online).
    """

    run: int
    namespace: int
    position: int
    of: int
    starts_at: datetime | None
    held: str = ""

    @property
    def is_soon(self) -> bool:
        """Within a minute, as far as can be told."""
        return self.starts_at is not None and self.starts_at < timezone.now() + timedelta(minutes=1)


@dataclass
class Line:
    """What waits and runs on one flavor; `workers` are online and take runs, `idle` of them now."""

    flavor: str
    workers: int = 0
    idle: int = 0
    running: list[Run] = field(default_factory=list)
    waiting: list[Place] = field(default_factory=list)


def candidates(worker: Worker, flavors: Sequence[str]) -> Iterator[int]:
    """The keys of the runs this worker may take, best first; none where it may take nothing."""
    now, typical = timezone.now(), Typical()
    rows = Run.objects.filter(eligible(worker, now), flavor__in=list(flavors))
    found = [entry for _, _, entry in entries(rows, typical)]
    namespaces = {entry.namespace for entry in found}
    if found:
        order = in_order(found, served(namespaces, typical, now), _counts(quotas.room_of(namespaces, now)))
        yield from (entry.run for entry in order)


def place_of(run: Run) -> Place | None:
    """Where a waiting run is; None for one that does not wait."""
    return places_of([run]).get(run.pk)


def place_tag(run: Run) -> str:
    """Changes when what is told of a waiting run's place does, to the minute; else empty."""
    place = place_of(run)
    return f"{place.position}.{place.of}.{place.held}.{minute_of(place.starts_at)}" if place else ""


def minute_of(moment: datetime | None) -> str:
    """Day and minute, to see whether an estimate has changed enough to be told again."""
    return f"{moment:%j%H%M}" if moment else ""


def places_of(runs: Iterable[Run]) -> dict[int, Place]:
    """Where those of the runs are that wait, by key; the flavors' lines are read once for all of them."""
    flavors = {run.flavor for run in runs if run.stage == Stage.SCHEDULING}
    lines = lines_of(flavors) if flavors else []
    return {place.run: place for line in lines for place in line.waiting}


def place_json(place: Place | None) -> dict[str, Any] | None:
    """As scripts see it: position from 1, and when it may begin, as far as can be told."""
    if place is None:
        return None
    return {
        "position": place.position,
        "of": place.of,
        "startsAt": wire_time(place.starts_at) if place.starts_at else None,
        "held": place.held or None,
    }


def lines_of(flavors: Iterable[str] | None = None) -> list[Line]:
    """The lines of these flavors, or of all that something waits, runs or is online for; by name."""
    return _Reading(None if flavors is None else set(flavors), timezone.now()).lines()


class _Reading:
    """One look at the tables."""

    def __init__(self, wanted: set[str] | None, now: datetime) -> None:
        self.wanted, self.now, self.typical = wanted, now, Typical()
        self.by_flavor: dict[str, Line] = {flavor: Line(flavor) for flavor in wanted or ()}
        self.slots: dict[str, list[Slot]] = defaultdict(list)

    def lines(self) -> list[Line]:
        running = list(Run.objects.filter(stage=Stage.RUNNING).for_pages().order_by("claimed_at", "pk"))
        for run in running:
            if line := self._line(run.flavor):
                line.running.append(run)
        self._count_workers({run.worker_id: run for run in running})
        self._line_up()
        return [self.by_flavor[name] for name in sorted(self.by_flavor)]

    def _line(self, flavor: str) -> Line | None:
        if self.wanted is not None and flavor not in self.wanted:
            return None
        return self.by_flavor.setdefault(flavor, Line(flavor))

    def _count_workers(self, at_work: dict[int | None, Run]) -> None:
        for worker in Worker.objects.online(self.now).filter(state=WorkerState.ACTIVE):
            run = at_work.get(worker.pk)
            slot = Slot(self._left(run) if run else 0.0, _whose(worker))
            for line in filter(None, map(self._line, worker.flavors)):
                line.workers += 1
                line.idle += run is None
                self.slots[line.flavor].append(slot)

    def _left(self, run: Run) -> float | None:
        """Seconds until a running run ends; None where nobody can tell."""
        expected = self.typical.of(run)
        if expected is None:
            return None
        taken = (self.now - (run.claimed_at or self.now)).total_seconds()
        return max(expected - taken, expected * _OVERDUE_PART)

    def _line_up(self) -> None:
        rows = Run.objects.waiting()
        if self.wanted is not None:
            rows = rows.filter(flavor__in=self.wanted)
        waiting: dict[str, list[Waiting]] = defaultdict(list)
        for flavor, _, entry in entries(rows, self.typical):
            waiting[flavor].append(entry)
        namespaces = {entry.namespace for found in waiting.values() for entry in found}
        if not namespaces:
            return
        given, room = served(namespaces, self.typical, self.now), quotas.room_of(namespaces, self.now)
        paused = dict(rows.exclude(due(self.now)).values_list("pk", "not_before"))
        for flavor, found in waiting.items():
            ready = [entry for entry in found if entry.run not in paused]
            order = list(in_order(ready, given, _counts(room)))
            self._place_ready(flavor, order, len(found))
            self._place_held(flavor, found, order, room, paused)

    def _place_ready(self, flavor: str, order: list[Waiting], of: int) -> None:
        line, slots = self.by_flavor.setdefault(flavor, Line(flavor)), self.slots[flavor]
        held = "" if slots else "workers"
        for position, (entry, seconds) in enumerate(zip(order, starts(order, slots), strict=True), 1):
            at = None if seconds is None else self.now + timedelta(seconds=seconds)
            line.waiting.append(Place(entry.run, entry.namespace, position, of, at, held))

    def _place_held(
        self,
        flavor: str,
        found: list[Waiting],
        order: list[Waiting],
        room: dict[int, quotas.Room],
        paused: dict[int, datetime | None],
    ) -> None:
        """What is passed over for now comes last."""
        line, going = self.by_flavor[flavor], {entry.run for entry in order}
        for entry in sorted(found, key=lambda one: (one.since, one.run)):
            if entry.run in going:
                continue
            why = "pause" if entry.run in paused else room[entry.namespace].why
            position = len(line.waiting) + 1
            again = paused.get(entry.run)
            line.waiting.append(Place(entry.run, entry.namespace, position, len(found), again, why))


def _whose(worker: Worker) -> int | None:
    """The one namespace whose runs the worker takes; None: anybody's."""
    return worker.owner_id if worker.tier == Tier.OWNER else None


def _counts(room: dict[int, quotas.Room]) -> dict[int, int]:
    return {namespace: found.runs for namespace, found in room.items()}
