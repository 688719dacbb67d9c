"""What a person did on each day of twelve months, drawn as weeks, as far as the reader may see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db.models import Count, Q
from django.db.models.functions import TruncDate

from accounts.actor import Actor
from accounts.models import Namespace
from models_app.activity import events_for, of_owner
from models_app.models import Event, EventTag

DAYS, WEEK = 365, 7
# Events that are looked at: of somebody busier the oldest are not counted, and the page says so.
MOST_EVENTS = 5_000
LEVELS = 4
# One day is a square of 11 on a grid of 13, below a line of months.
SIDE, PITCH, TOP = 11, 13, 16
# A name of a month needs so many weeks of room.
MONTH_WEEKS = 3


@dataclass(frozen=True)
class Day:
    """A day on which something was done; `level` is 1 to 4 of the busiest one."""

    day: date
    count: int
    left: int
    top: int
    level: int


@dataclass(frozen=True)
class Part:
    """Half of the weeks as a drawing, so that a phone can show them below each other."""

    days: list[Day]
    months: list[tuple[int, date]]
    # All days as one path: those on which nothing was done are only that.
    ground: str
    width: int
    height: int = TOP + WEEK * PITCH


@dataclass(frozen=True)
class Calendar:
    """All of it: the drawing, and the same by month in numbers."""

    parts: list[Part]
    months: list[tuple[date, int]]
    total: int
    busiest: date
    most: int
    is_cut: bool


def calendar_of(owner: Namespace, actor: Actor, today: date) -> Calendar | None:
    """One query over at most so many events; None for organizations, and where nothing was done."""
    first = today - timedelta(days=DAYS - 1)
    counts = _counts(owner, actor, first, today) if owner.user_id is not None else {}
    if not counts:
        return None
    busiest = max(counts, key=lambda day: (counts[day], day))
    monday = first - timedelta(days=first.weekday())
    middle = monday + timedelta(weeks=27)
    spans = [(monday, first, middle - timedelta(days=1)), (middle, middle, today)]
    months: dict[date, int] = {}
    for day in sorted(counts):
        months[day.replace(day=1)] = months.get(day.replace(day=1), 0) + counts[day]
    total = sum(counts.values())
    return Calendar(
        parts=[_part(counts, *span, counts[busiest]) for span in spans],
        months=list(months.items()),
        total=total,
        busiest=busiest,
        most=counts[busiest],
        is_cut=total >= MOST_EVENTS,
    )


def _counts(owner: Namespace, actor: Actor, first: date, last: date) -> dict[date, int]:
    told = ~Q(tag=EventTag.RUN_FINISH) | Q(data__stage="COMPLETED")
    since = datetime.combine(first, time.min, UTC)
    until = datetime.combine(last + timedelta(days=1), time.min, UTC)
    rows = events_for(actor).filter(of_owner(owner), told, at__gte=since, at__lt=until)
    newest = rows.select_related(None).values("pk")[:MOST_EVENTS]
    days = Event.objects.filter(pk__in=newest).annotate(day=TruncDate("at", tzinfo=UTC)).order_by()
    return dict(days.values_list("day").annotate(count=Count("pk")))


def _part(counts: dict[date, int], monday: date, first: date, last: date, most: int) -> Part:
    days, ground, months = [], [], []
    weeks = (last - monday).days // WEEK + 1
    for number in range((first - monday).days, (last - monday).days + 1):
        day = monday + timedelta(days=number)
        left, top = number // WEEK * PITCH, TOP + number % WEEK * PITCH
        ground.append(f"M{left} {top}h{SIDE}v{SIDE}h-{SIDE}z")
        if count := counts.get(day, 0):
            days.append(Day(day, count, left, top, -(-LEVELS * count // most)))
        if day.day == 1 and number // WEEK <= weeks - MONTH_WEEKS:
            months.append((left, day))
    return Part(days, months, "".join(ground), weeks * PITCH)
