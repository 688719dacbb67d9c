"""The log on a run's page: its tail, or what was searched for with the lines around it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max, Q

from runs.models import Run, RunLog

LOG_TAIL = 200
MAX_FOUND = 100
AROUND = 2
LONGEST_QUERY = 100
# The newest lines are read for the tail of a search; a log has at most 20,000 an attempt.
_BAD = re.compile(
    r"\b(error|errors|exception|traceback|failed|fatal|killed|refused)\b|(?-i:^\w+Error\b)", re.I
)
_WARM = re.compile(r"\b(warn|warning|out of memory|interrupted|lost|retry|retrying|resuming)\b", re.I)


@dataclass(frozen=True)
class Line:
    """One line as it is shown. `pieces`: (text, whether it was searched for); `level`: bad, warm or empty.

    `is_new_attempt`: the first line of another attempt. `after_gap`: lines before it are left out.
    """

    at: datetime
    attempt: int
    pieces: tuple[tuple[str, bool], ...]
    level: str
    is_new_attempt: bool = False
    after_gap: bool = False
    is_hit: bool = False


@dataclass(frozen=True)
class Log:
    """What the page shows of a log; `count` lines hold `query`, where one was asked for."""

    lines: list[Line]
    query: str = ""
    count: int = 0

    @property
    def is_cut(self) -> bool:
        return self.count > MAX_FOUND


def wanted(text: str) -> str:
    """What somebody searches for, as far as it goes."""
    return text.replace("\0", "").strip()[:LONGEST_QUERY]


def log_of(run: Run, query: str = "") -> Log:
    """The newest lines, oldest of them first; with `query` the lines that hold it and those around them."""
    if not query:
        tail = list(run.logs.order_by("-attempt", "-seq")[:LOG_TAIL])[::-1]
        return Log(list(_shown(tail, "", gaps=False)))
    hits = run.logs.filter(text__icontains=query)
    found = list(hits.order_by("-attempt", "-seq")[:MAX_FOUND])
    count = hits.count() if len(found) == MAX_FOUND else len(found)
    return Log(list(_shown(_with_neighbours(run, found), query, gaps=True)), query, count)


def level_of(text: str) -> str:
    """How a line is coloured, told by its words: the engine's log has no levels."""
    return "bad" if _BAD.search(text) else "warm" if _WARM.search(text) else ""


def newest(run: Run) -> int | None:
    """Changes when a line comes."""
    found: int | None = run.logs.aggregate(newest=Max("pk"))["newest"]
    return found


def _with_neighbours(run: Run, found: list[RunLog]) -> list[RunLog]:
    near: dict[int, set[int]] = {}
    for line in found:
        near.setdefault(line.attempt, set()).update(range(line.seq - AROUND, line.seq + AROUND + 1))
    around = Q(pk__in=[])
    for attempt, seqs in near.items():
        around |= Q(attempt=attempt, seq__in=[seq for seq in seqs if seq >= 0])
    return list(run.logs.filter(around))


def _shown(rows: list[RunLog], query: str, *, gaps: bool) -> Iterator[Line]:
    pattern = re.compile(re.escape(query), re.I) if query else None
    before: RunLog | None = None
    for row in rows:
        pieces = _pieces(row.text, pattern)
        new = before is not None and row.attempt != before.attempt
        skipped = (before is None and row.seq > 0) or (before is not None and row.seq != before.seq + 1)
        is_hit = any(hit for _text, hit in pieces)
        yield Line(row.at, row.attempt, pieces, level_of(row.text), new, gaps and skipped and not new, is_hit)
        before = row


def _pieces(text: str, pattern: re.Pattern[str] | None) -> tuple[tuple[str, bool], ...]:
    """The text cut where it was searched for."""
    if pattern is None:
        return ((text, False),)
    pieces: list[tuple[str, bool]] = []
    end = 0
    for match in pattern.finditer(text):
        pieces += [(text[end : match.start()], False), (match[0], True)]
        end = match.end()
    return tuple(piece for piece in [*pieces, (text[end:], False)] if piece[0])
