"""The order of the queue and when each run of it may begin. Pure: no table, no clock.

**The rule.** First what staff put first (`priority`), then measured steps before trainings, then fair share
between namespaces: the one that was served least goes first, and every run it is given counts at once as the
seconds it is expected to take. Served is what a namespace's runs take now and what was charged to it in the
last hours, which fades. Within a namespace the oldest run is first.

What was used while nobody else wanted it is no debt: a namespace begins at most one run (the longest of those
that wait) behind the one served least.

**The bound**, among equals in priority and kind. While two namespaces both wait, what they are given differs
by two of the longest runs at most. So, with k namespaces waiting, before a namespace's first run every
other one gets at most as many seconds as the longest run takes, and the run that goes over them; where all
take equally long that is one run each: **a first run is behind k - 1 others at most, an n-th run behind
n · (k - 1) of other namespaces**, however many somebody else has queued.
"""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

# What a run counts as while nobody can tell how long it will take.
UNKNOWN_SECONDS = 600.0
SHORTEST_SECONDS = 1.0


@dataclass(frozen=True)
class Waiting:
    """One waiting run, `expected` in seconds where somebody can tell; `since` decides within a namespace."""

    run: int
    namespace: int
    since: datetime
    expected: float | None = None
    priority: int = 0
    is_preflight: bool = False

    @property
    def seconds(self) -> float:
        """What it counts as against its namespace."""
        return UNKNOWN_SECONDS if self.expected is None else max(self.expected, SHORTEST_SECONDS)


@dataclass
class Slot:
    """One worker: when it takes its next run, in seconds (None: nobody can tell), and whose `only`."""

    free_in: float | None
    only: int | None = None


def in_order(
    waiting: Iterable[Waiting], served: Mapping[int, float], room: Mapping[int, int] | None = None
) -> Iterator[Waiting]:
    """The runs in the order in which workers take them; the same for any order of the arguments.

    `served`: seconds by namespace. `room`: how many trainings of a namespace may begin at all, where there is
    a limit; those over it are left out.
    """
    given, left = defaultdict(float, served), dict(room or {})
    for _, equals in groupby(sorted(waiting, key=_rank), key=lambda one: _rank(one)[:2]):
        yield from _shared(list(equals), given, left)


def _rank(one: Waiting) -> tuple[int, bool, datetime, int]:
    return -one.priority, not one.is_preflight, one.since, one.run


def _shared(equals: list[Waiting], given: dict[int, float], left: dict[int, int]) -> Iterator[Waiting]:
    lines: dict[int, deque[Waiting]] = defaultdict(deque)
    for one in equals:
        if one.is_preflight or left.get(one.namespace, 1) > 0:
            lines[one.namespace].append(one)
    if not lines:
        return
    furthest = min(given[namespace] for namespace in lines) + max(
        one.seconds for line in lines.values() for one in line
    )
    # Of those served equally, first who had fewer turns, then whose run is older.
    heap = [
        (min(given[namespace], furthest), 0, line[0].since, line[0].run) for namespace, line in lines.items()
    ]
    heapq.heapify(heap)
    owners = {one.run: one.namespace for one in equals}
    while heap:
        had, turns, _, run = heapq.heappop(heap)
        line = lines[owners[run]]
        one = line.popleft()
        if not _take_room(one, left):
            continue
        yield one
        given[one.namespace] += one.seconds
        if line:
            heapq.heappush(heap, (had + one.seconds, turns + 1, line[0].since, line[0].run))


def _take_room(one: Waiting, left: dict[int, int]) -> bool:
    """Count a training against its namespace's limit; False when there is no room for it."""
    if one.is_preflight or one.namespace not in left:
        return True
    left[one.namespace] -= 1
    return left[one.namespace] >= 0


def starts(order: Iterable[Waiting], slots: Sequence[Slot]) -> Iterator[float | None]:
    """In how many seconds each run of the order may begin; None where nobody can tell.

    A slot that is given a run of unknown length is one of which nobody can tell when it is free again, so an
    answer is of the other slots: not later than that.
    """
    slots = [Slot(slot.free_in, slot.only) for slot in slots]
    for one in order:
        fitting = [slot for slot in slots if slot.free_in is not None and slot.only in (None, one.namespace)]
        soonest = min(fitting, key=lambda slot: slot.free_in or 0.0, default=None)
        if soonest is None or soonest.free_in is None:
            yield None
            continue
        yield soonest.free_in
        soonest.free_in = None if one.expected is None else soonest.free_in + one.expected
