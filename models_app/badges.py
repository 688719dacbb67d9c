"""Badges: shown by verified work, and by nothing else. What earns each is a pure function of what is known.

Whoever loses the ground a badge stands on loses it at the next rebuild; likes and followers never count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext_lazy as _

TEN, FIVE, CROWD = 10, 5, 3


@dataclass(frozen=True)
class Measured:
    """A model's best verified result on one board's task: its place there among so many models."""

    owner: int
    repo: int
    board: int
    task: str
    place: int
    of: int


@dataclass(frozen=True)
class Repeated:
    """Somebody else's run of the same recipe on the same data; `agrees`: it came out within the interval."""

    owner: int
    repo: int
    by: int
    agrees: bool


@dataclass(frozen=True)
class RecipeUse:
    """Somebody else's run of a shared recipe that ended in a verified result."""

    owner: int
    recipe: int
    by: int


@dataclass(frozen=True)
class Known:
    """Everything badges are earned by."""

    measured: Sequence[Measured] = ()
    repeated: Sequence[Repeated] = ()
    uses: Sequence[RecipeUse] = ()


@dataclass(frozen=True)
class Earned:
    """One namespace's badge, and the repo that earned it where one did."""

    owner: int
    kind: str
    repo: int | None = None
    data: dict[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class BadgeKind:
    """What a badge is called and how it is earned."""

    kind: str
    title: Any
    how: Any
    icon: str
    earned: Callable[[Known], Iterator[Earned]]


def _first_verified(known: Known) -> Iterator[Earned]:
    for owner, rows in _by_owner(known.measured):
        yield Earned(owner, "first-verified", min(row.repo for row in rows))


def _first_place(known: Known) -> Iterator[Earned]:
    for owner, rows in _by_owner(known.measured):
        first = [row for row in rows if row.place == 1 and row.of >= CROWD]
        if first:
            boards = len({(row.board, row.task) for row in first})
            yield Earned(owner, "first-place", min(row.repo for row in first), {"boards": boards})


def _ten_models(known: Known) -> Iterator[Earned]:
    for owner, rows in _by_owner(known.measured):
        models = {row.repo for row in rows}
        if len(models) >= TEN:
            yield Earned(owner, "ten-models", None, {"models": len(models)})


def _five_boards(known: Known) -> Iterator[Earned]:
    for owner, rows in _by_owner(known.measured):
        boards = {row.board for row in rows}
        if len(boards) >= FIVE:
            yield Earned(owner, "five-boards", None, {"boards": len(boards)})


def _repeated(known: Known) -> Iterator[Earned]:
    for owner, rows in _by_owner(known.repeated):
        yield Earned(owner, "repeated", min(row.repo for row in rows), {"people": len({r.by for r in rows})})


def _agreed(known: Known) -> Iterator[Earned]:
    for owner, rows in _by_owner([row for row in known.repeated if row.agrees]):
        yield Earned(
            owner, "reproduced", min(row.repo for row in rows), {"people": len({r.by for r in rows})}
        )


def _used_recipe(known: Known) -> Iterator[Earned]:
    for owner, rows in _by_owner(known.uses):
        people: dict[int, set[int]] = defaultdict(set)
        for row in rows:
            people[row.recipe].add(row.by)
        recipe, users = max(people.items(), key=lambda item: (len(item[1]), -item[0]))
        if len(users) >= FIVE:
            yield Earned(owner, "used-recipe", recipe, {"people": len(users)})


def _by_owner(rows: Iterable[Any]) -> list[tuple[int, list[Any]]]:
    found: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.owner].append(row)
    return sorted(found.items())


KINDS = (
    BadgeKind(
        "first-verified",
        _("First verified result"),
        _("A model of theirs was measured by a run of this hub."),
        "verified",
        _first_verified,
    ),
    BadgeKind(
        "first-place",
        _("First place"),
        _("A model of theirs leads a board on which at least three models have verified results."),
        "star",
        _first_place,
    ),
    BadgeKind(
        "ten-models",
        _("Ten verified models"),
        _("Ten models of theirs have verified results."),
        "weights",
        _ten_models,
    ),
    BadgeKind(
        "five-boards",
        _("Five boards"),
        _("Models of theirs have verified results on five boards."),
        "board",
        _five_boards,
    ),
    BadgeKind(
        "repeated",
        _("Repeated"),
        _("Somebody else ran the same recipe on the same data and was measured on the same board."),
        "repeat",
        _repeated,
    ),
    BadgeKind(
        "reproduced",
        _("Reproduced"),
        _("Somebody else's run of the same recipe came out within the 95 % interval of theirs."),
        "check",
        _agreed,
    ),
    BadgeKind(
        "used-recipe",
        _("Recipe that others use"),
        _("Five others got verified results with a recipe they share."),
        "tune",
        _used_recipe,
    ),
)
BY_KIND = {badge.kind: badge for badge in KINDS}


def earned_by(known: Known) -> list[Earned]:
    """Every badge that what is known earns."""
    return [one for badge in KINDS for one in badge.earned(known)]


def title_of(kind: str) -> Any:
    """What a badge is called; its own name where this release knows it no more."""
    badge = BY_KIND.get(kind)
    return badge.title if badge is not None else kind
