"""How long runs take, as far as can be told, and what that makes of the queue and of who was served.

A run is expected to take what a measured step foretold; else what such runs took lately; else nobody knows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from runs import ledger
from runs.fairshare import Waiting
from runs.models import Attempt, Kind, Run, RunQuerySet, Stage

_COLUMNS = (
    *("pk", "namespace_id", "created_at", "priority", "kind", "flavor", "claimed_at"),
    *("recipe__task", "forecast__seconds"),
)
_RECENT = 200


class Typical:
    """How long whole runs took lately: of the same people and task, else of anybody's."""

    def __init__(self) -> None:
        rows = Attempt.objects.filter(outcome="completed", from_step=0).order_by("-pk")
        keys = ("namespace_id", "run__kind", "flavor", "run__recipe__task", "seconds")
        self._seconds: dict[tuple[object, ...], list[float]] = defaultdict(list)
        for namespace, *what, seconds in rows.values_list(*keys)[:_RECENT]:
            self._seconds[(namespace, *what)].append(seconds)
            self._seconds[tuple(what)].append(seconds)

    def seconds(self, namespace: int, kind: str, flavor: str, task: object) -> float | None:
        """The mean; None where no such run was completed lately."""
        key = (kind, flavor, task)
        found = self._seconds.get((namespace, *key)) or self._seconds.get(key)
        return sum(found) / len(found) if found else None

    def of(self, run: Run) -> float | None:
        """What this run is expected to take from its claim to its end."""
        foretold = _seconds(run.forecast.get("seconds"))
        return foretold or self.seconds(run.namespace_id, run.kind, run.flavor, run.recipe.get("task"))


def entries(rows: RunQuerySet, typical: Typical) -> Iterator[tuple[str, datetime | None, Waiting]]:
    """Of each of these runs: its flavor, when it was claimed, and what the order of the queue needs."""
    for row in rows.order_by().values_list(*_COLUMNS):
        pk, namespace, since, priority, kind, flavor, claimed_at, task, foretold = row
        seconds = _seconds(foretold) or typical.seconds(namespace, kind, flavor, task)
        yield flavor, claimed_at, Waiting(pk, namespace, since, seconds, priority, kind == Kind.PREFLIGHT)


def served(namespaces: set[int], typical: Typical, now: datetime) -> dict[int, float]:
    """Seconds of compute by namespace: charged lately, fading, and what its trainings take that go on.

    A run counts from its claim on as what it is expected to take, so that who was given a turn has had it.
    """
    given = defaultdict(float, ledger.faded_seconds(namespaces, now))
    running = Run.objects.training().filter(stage=Stage.RUNNING, namespace__in=namespaces)
    for _, claimed_at, entry in entries(running, typical):
        given[entry.namespace] += max(entry.seconds, (now - (claimed_at or now)).total_seconds())
    return dict(given)


def _seconds(value: Any) -> float | None:
    """A forecast's seconds, if they are a number that a clock can show."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 < value < 1e9 else None
