"""What a run did when: waiting, attempts and their parts, on one line. Reads only."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _

from runs.models import Attempt, Run, RunActivity

MAX_ACTIVITIES = 500
MAX_ATTEMPTS = 20
WAITING = "waiting"
# The kinds of parts, each with a colour of its own, by how the worker calls what it does.
KINDS = {
    "starting": "fetch",
    "fetching": "fetch",
    "reading the data": "prepare",
    "computing features": "features",
    "measuring": "train",
    "training": "train",
    "evaluating": "evaluate",
    "saving": "publish",
    "publishing": "publish",
}
# Ends that no run brings about by itself.
TAKEN = ("lost", "interrupted")


@dataclass(frozen=True)
class Part:
    """`seconds` of doing `name` from `began` on; `is_now`: it goes on."""

    name: str
    kind: str
    began: datetime
    seconds: float
    is_now: bool = False


@dataclass(frozen=True)
class Hold:
    """One worker's hold on the run; `outcome` is empty while it goes on; `is_last`: the run ended with it."""

    number: int
    worker: str
    outcome: str
    from_step: int
    parts: list[Part]
    message: str = ""
    is_last: bool = False

    @property
    def is_broken(self) -> bool:
        """It ended without an end of the run, or the run could not go on without its worker."""
        return bool(self.outcome) and (self.outcome in TAKEN or not self.is_last)


@dataclass(frozen=True)
class Segment:
    """A piece of the drawn line: `x` and `width` in percent of it."""

    kind: str
    x: float
    width: float
    title: str


@dataclass(frozen=True)
class Timeline:
    """Every attempt, oldest first, and the line drawn from them."""

    waited: Part
    holds: list[Hold]
    segments: list[Segment]

    @property
    def has_breaks(self) -> bool:
        return len(self.holds) > 1


def activity_words(name: str) -> str:
    """What the worker calls its activity, for people."""
    known = {
        WAITING: _("waiting"),
        "waiting for a worker": _("waiting for a worker"),
        "waiting to be tried again": _("waiting to be tried again"),
        "measuring": _("measuring"),
        "starting": _("starting"),
        "fetching": _("fetching"),
        "reading the data": _("reading the data"),
        "computing features": _("computing features"),
        "training": _("training"),
        "evaluating": _("evaluating"),
        "saving": _("saving"),
        "publishing": _("publishing"),
    }
    return known.get(name, name)


def timeline_of(run: Run, now: datetime | None = None) -> Timeline:
    """What the run has done so far. Two queries."""
    now = run.finished_at or now or timezone.now()
    attempts = list(run.attempts.order_by("-number")[:MAX_ATTEMPTS])[::-1] or _only_attempt(run)
    told: dict[int, list[RunActivity]] = defaultdict(list)
    for row in run.activities.all()[:MAX_ACTIVITIES]:
        told[row.attempt].append(row)
    holds: list[Hold] = []
    first = attempts[0].started_at if attempts else now
    waited = _part(WAITING, run.created_at, first, is_now=not attempts and not run.has_ended)
    segments = [waited]
    for attempt, after in zip(attempts, [*attempts[1:], None], strict=False):
        limit = after.started_at if after is not None else now
        end = attempt.ended_at or limit
        going = attempt.ended_at is None and after is None and not run.has_ended
        parts = _parts(attempt, told[attempt.number], end, going)
        holds.append(_hold(attempt, parts, is_last=after is None and run.has_ended))
        segments += parts
        if limit > end:
            segments.append(_part("break" if holds[-1].is_broken else WAITING, end, limit))
    return Timeline(waited, holds, _drawn(segments, run.created_at, now))


def _only_attempt(run: Run) -> list[Attempt]:
    """Of runs older than the ledger the last claim is known, and nothing before it."""
    if run.claimed_at is None:
        return []
    worker = run.worker.name if run.worker else ""
    return [
        Attempt(
            number=run.attempt,
            worker_name=worker,
            started_at=run.claimed_at,
            ended_at=run.finished_at,
            outcome=run.stage.lower() if run.has_ended else "",
        )
    ]


def _hold(attempt: Attempt, parts: list[Part], *, is_last: bool) -> Hold:
    return Hold(
        attempt.number,
        attempt.worker_name,
        attempt.outcome,
        attempt.from_step,
        parts,
        attempt.message,
        is_last,
    )


def _parts(attempt: Attempt, told: list[RunActivity], end: datetime, going: bool) -> list[Part]:
    """From the claim to `end`; what is done twice in a row is one part."""
    marks = [("starting", attempt.started_at)]
    for row in told:
        if row.name != marks[-1][0]:
            marks.append((row.name, row.at))
    ends = [*(at for _name, at in marks[1:]), end]
    parts = [
        _part(name, at, until, is_now=going and index == len(marks) - 1)
        for index, ((name, at), until) in enumerate(zip(marks, ends, strict=True))
    ]
    # A worker that says at once what it does was not starting for anybody to see.
    return [part for part in parts if part.is_now or part.name != "starting" or part.seconds >= 1] or parts


def _part(name: str, began: datetime, end: datetime, *, is_now: bool = False) -> Part:
    kind = KINDS.get(name, name if name in (WAITING, "break") else "other")
    return Part(activity_words(name), kind, began, max(0.0, (end - began).total_seconds()), is_now)


def _drawn(parts: list[Part], began: datetime, end: datetime) -> list[Segment]:
    whole = max((end - began).total_seconds(), 1e-3)
    drawn = []
    for part in parts:
        x = max(0.0, (part.began - began).total_seconds()) / whole * 100
        width = min(part.seconds / whole * 100, 100 - x)
        if width > 0:
            drawn.append(Segment(part.kind, round(x, 3), round(width, 3), part.name))
    return drawn
