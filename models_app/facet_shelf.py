"""One `FacetTable` of each type's public repos in every process, brought up to date by what the log tells.

Before each use the newest lines of the log are read, and repos that changed are read again; so counts are as
fresh as the rows beside them. What the log does not tell (`manage.py reindex`) is seen after `LIFETIME`.
"""

from __future__ import annotations

import threading
import time

from django.db.models import Q

from accounts.actor import Actor
from models_app.facet_table import FacetTable
from models_app.models import Event, EventTag, Repo, RepoQuerySet

LIFETIME = 600.0
# Transactions end in another order than their lines are numbered in: so many lines back one may still come.
OVERLAP = 64
# With more to read again a new table is no slower; of places nobody is at any more a quarter is enough.
MOST_CHANGES = 500
# Of somebody's own hidden repos so many are counted.
MOST_OWN = 5000
_HIDDEN = Q(private=True) | Q(disabled_at__isnull=False)
_OF_NO_MATTER = (
    EventTag.LIKE_ADD, EventTag.LIKE_REMOVE, EventTag.ACCESS_ASK, EventTag.ACCESS_DECIDE,
    EventTag.LOCK_CHANGE, EventTag.BRANCH_CREATE, EventTag.TAG_CREATE,
)  # fmt: skip


class _Shelf:
    """The table of one type, and how far in the log it has come."""

    def __init__(self, repo_type: str) -> None:
        self.repo_type = repo_type
        self.lock = threading.Lock()
        self.table: FacetTable | None = None
        self.read: set[int] = set()
        self.last = 0
        self.made_at = 0.0

    def current(self) -> FacetTable:
        """The table as of now. While another thread brings it up to date, the one before is good enough."""
        if not self.lock.acquire(blocking=self.table is None):
            assert self.table is not None
            return self.table
        try:
            if self.table is None or time.monotonic() - self.made_at > LIFETIME or not self._follow():
                self._make()
            assert self.table is not None
            return self.table
        finally:
            self.lock.release()

    def _make(self) -> None:
        newest = Event.objects.order_by("-pk").values_list("pk", flat=True)[:OVERLAP]
        self.read = set(newest)
        self.last = max(self.read, default=0)
        table = FacetTable(self.repo_type)
        table.add(self._public())
        self.table, self.made_at = table, time.monotonic()

    def _public(self) -> RepoQuerySet:
        return Repo.objects.of_type(self.repo_type).exclude(_HIDDEN)

    def _follow(self) -> bool:
        """Read again what changed; False when making the table anew is less work."""
        assert self.table is not None
        rows = Event.objects.filter(pk__gt=self.last - OVERLAP).order_by("pk")
        lines = list(rows.values_list("pk", "tag", "repo_id")[: OVERLAP + MOST_CHANGES])
        new = [line for line in lines if line[0] not in self.read]
        if len(new) > MOST_CHANGES:
            return False
        self.read.update(line[0] for line in new)
        self.last = max([self.last, *(line[0] for line in lines)])
        self.read = {pk for pk in self.read if pk > self.last - 2 * OVERLAP}
        changed = {repo for _, tag, repo in new if repo is not None and tag not in _OF_NO_MATTER}
        gone = [pk for pk, tag, _ in new if tag == EventTag.REPO_DELETE]
        if gone:
            told = Event.objects.filter(pk__in=gone).values_list("data", flat=True)
            changed |= {data["pk"] for data in told if isinstance(data.get("pk"), int)}
        if changed:
            self._read_again(changed)
        return bool(self.table.alive.sum() * 4 >= len(self.table.alive) * 3)

    def _read_again(self, changed: set[int]) -> None:
        """Replace the table, so that whoever counts in the one before is not disturbed."""
        assert self.table is not None
        table = self.table.copy()
        table.remove(changed)
        table.add(self._public().filter(pk__in=changed))
        self.table = table


_SHELVES: dict[str, _Shelf] = {}
_MAKING = threading.Lock()


def public_table(repo_type: str) -> FacetTable:
    """The public repos of this type; one query while nothing changes."""
    with _MAKING:
        shelf = _SHELVES.setdefault(repo_type, _Shelf(repo_type))
    return shelf.current()


def own_table(actor: Actor, repo_type: str) -> FacetTable | None:
    """The hidden repos of this type that the actor may see; None for nobody. Two queries."""
    if actor.user is None:
        return None
    hidden = Repo.objects.visible_to(actor).of_type(repo_type).filter(_HIDDEN)
    keys = list(hidden.order_by("-pk").values_list("pk", flat=True)[:MOST_OWN])
    table = FacetTable(repo_type)
    if keys:
        table.add(Repo.objects.filter(pk__in=keys))
    return table


def forget() -> None:
    """Begin anew (tests, whose database begins anew too)."""
    with _MAKING:
        _SHELVES.clear()
