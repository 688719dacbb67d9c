"""How the leading value of a board rose over time: who led from when, as steps to draw and rows to read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from models_app.models import EvalResult, Repo

WIDTH, HEIGHT = 600, 120
MAX_STEPS = 30


@dataclass(frozen=True)
class Lead:
    """A model took the lead on that day; `x` and `y` are where it is drawn."""

    day: date
    repo: Repo
    value: float
    verified: bool
    x: float = 0
    y: float = 0


@dataclass(frozen=True)
class History:
    """The leads, oldest first, and the line through them as an SVG path."""

    leads: list[Lead]
    path: str

    @property
    def first(self) -> Lead:
        return self.leads[0]

    @property
    def last(self) -> Lead:
        return self.leads[-1]


def history_of(results: Sequence[EvalResult], *, higher_is_better: bool, today: date) -> History | None:
    """From results with a date, each the one that stands for its model; None for fewer than two leads."""
    dated = [result for result in results if result.date is not None and result.date <= today]
    dated.sort(key=lambda result: (result.date or today, result.pk))
    leads: list[Lead] = []
    for result in dated:
        sign = 1 if higher_is_better else -1
        if not leads or sign * result.value > sign * leads[-1].value:
            if leads and leads[-1].day == result.date:
                leads.pop()
            leads.append(Lead(result.date or today, result.repo, result.value, result.verified))
    leads = leads[-MAX_STEPS:]
    if len(leads) < 2:
        return None
    placed = _placed(leads, today)
    return History(placed, _path(placed))


def _placed(leads: list[Lead], today: date) -> list[Lead]:
    days = max(1, (today - leads[0].day).days)
    low, high = min(lead.value for lead in leads), max(lead.value for lead in leads)
    span = (high - low) or 1.0
    return [
        Lead(
            lead.day,
            lead.repo,
            lead.value,
            lead.verified,
            x=round(8 + (WIDTH - 24) * (lead.day - leads[0].day).days / days, 1),
            y=round(HEIGHT - 12 - (HEIGHT - 24) * (lead.value - low) / span, 1),
        )
        for lead in leads
    ]


def _path(leads: list[Lead]) -> str:
    """Steps: a lead holds until the next one."""
    text = f"M{leads[0].x} {leads[0].y}"
    for lead in leads[1:]:
        text += f"H{lead.x}V{lead.y}"
    return f"{text}H{WIDTH - 8}"
