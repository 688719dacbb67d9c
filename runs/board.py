"""The queue as one person may see it: lines by flavor, shares by namespace. Reads only.

A run that they may not see is there, since it takes a place, and nothing is told of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Q

from accounts.actor import Actor, Level
from accounts.models import Namespace
from runs.flavors import FLAVORS, Flavor
from runs.models import Run
from runs.queue import Line, Place, minute_of


@dataclass(frozen=True)
class Row:
    """A waiting run; `run` is None where it is not for this person to know."""

    place: Place
    run: Run | None = None
    is_own: bool = False


@dataclass(frozen=True)
class Going:
    """A run at work; of one that is not for this person only that it is there, and since when."""

    since: datetime | None
    run: Run | None = None
    is_own: bool = False


@dataclass
class Share:
    """What one namespace has in a line; `name` is empty for all that is not for this person together."""

    name: str
    running: int = 0
    waiting: int = 0
    first: Place | None = None
    is_own: bool = False


@dataclass(frozen=True)
class Lane:
    """One flavor's line; `rows` are those of one page of it."""

    flavor: Flavor
    line: Line
    running: list[Going]
    rows: list[Row]
    shares: list[Share] = field(default_factory=list)


class Eyes:
    """What one person may see of what runs and waits now."""

    def __init__(self, actor: Actor) -> None:
        self.public = set(Run.objects.visible_to(actor).active().values_list("pk", flat=True))
        # Pages are for browsers; a token's narrower reach is not worked out here.
        levels = actor.namespace_levels if actor.token is None else {}
        self.own = {pk for pk, level in levels.items() if level >= Level.READ}
        busy = Run.objects.active().values("namespace")
        names = Namespace.objects.filter(Q(pk__in=busy) | Q(pk__in=self.own))
        self.names = dict(names.values_list("pk", "name"))

    @property
    def own_names(self) -> list[str]:
        """Of the namespaces they belong to."""
        return [self.names[pk] for pk in self.own]

    def see(self, run: int, namespace: int) -> bool:
        return run in self.public or namespace in self.own


def lane_of(line: Line, eyes: Eyes, first: int, most: int) -> Lane:
    """The line with its waiting runs from `first` on, `most` of them."""
    places = line.waiting[first : first + most]
    seen = [place.run for place in places if eyes.see(place.run, place.namespace)]
    runs = {run.pk: run for run in Run.objects.for_pages().filter(pk__in=seen)}
    rows = [Row(place, runs.get(place.run), place.namespace in eyes.own) for place in places]
    running = [_going(run, eyes) for run in line.running]
    flavor = FLAVORS.get(line.flavor) or Flavor(line.flavor, line.flavor)
    return Lane(flavor, line, running, rows, shares_of(line, eyes))


def _going(run: Run, eyes: Eyes) -> Going:
    seen = eyes.see(run.pk, run.namespace_id)
    return Going(run.claimed_at, run if seen else None, run.namespace_id in eyes.own)


def shares_of(line: Line, eyes: Eyes) -> list[Share]:
    """By namespace: one's own, then whose turn is nearer, then what is private of others as one."""
    found: dict[int, Share] = {}
    for run in line.running:
        _share(found, eyes, run.pk, run.namespace_id).running += 1
    for place in line.waiting:
        share = _share(found, eyes, place.run, place.namespace)
        share.waiting += 1
        share.first = share.first or place
    return sorted(found.values(), key=_nearness)


def _share(found: dict[int, Share], eyes: Eyes, run: int, namespace: int) -> Share:
    key = namespace if eyes.see(run, namespace) else 0
    name = eyes.names.get(key, "") if key else ""
    return found.setdefault(key, Share(name, is_own=key in eyes.own))


def _nearness(share: Share) -> tuple[bool, bool, int, str]:
    return not share.is_own, not share.name, share.first.position if share.first else 0, share.name


def tag_of(lines: Iterable[Line]) -> str:
    """Changes when the page would, to the minute."""
    told = [
        (
            *(line.flavor, line.workers, line.idle),
            [(run.pk, run.attempt, run.activity, run.progress_step) for run in line.running],
            [(place.run, place.held, minute_of(place.starts_at)) for place in line.waiting],
        )
        for line in lines
    ]
    return repr(told)
