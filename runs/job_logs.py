"""A run's log as server-sent events: what there is at once, then line by line until the run ends.

The client counts the lines it has had and reads on from there when it comes again, so a replay is always in
the same order.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Q

from accounts.actor import Actor
from accounts.tokens import still_valid
from models_app.access import Refusal
from models_app.api import sse
from models_app.api.wire import wire_time
from runs.access import access_run
from runs.models import Run, RunLog

_BATCH = 1000


class LogReader:
    """One reader of one log; `tail` lines of what there is already (None: all of it).

    `since`: the attempt and number of a line that the reader has had.
    """

    def __init__(
        self, actor: Actor, run: Run, tail: int | None = None, since: tuple[int, int] = (-1, -1)
    ) -> None:
        self._actor = actor
        self._run = run
        self._last = since
        if tail is not None:
            self._last = _before_tail(run, tail)

    def session(self, follow: bool) -> Iterator[bytes]:
        """All events of one connection; `follow=False` only what there is now."""
        yield from self._fresh()
        if follow:
            yield from sse.follow(self._poll)

    def _poll(self) -> list[bytes] | None:
        """The lines since the last look; None when no more can come, or may be read."""
        if not still_valid(self._actor.token):
            return None
        try:
            run = access_run(Actor(self._actor.user, self._actor.token), self._run.uuid)
        except Refusal:
            return None
        # Stage first, lines second: what was written before the end is not missed.
        lines = list(self._fresh())
        return None if run.has_ended and not lines else lines

    def _fresh(self) -> Iterator[bytes]:
        while True:
            lines = lines_since(self._run, self._last, _BATCH)
            for line in lines:
                self._last = (line.attempt, line.seq)
                yield _event(line)
            if len(lines) < _BATCH:
                return


def lines_since(run: Run, last: tuple[int, int], limit: int) -> list[RunLog]:
    """The next lines behind the one of this attempt and number, at most `limit`."""
    attempt, seq = last
    later = Q(attempt__gt=attempt) | Q(attempt=attempt, seq__gt=seq)
    return list(run.logs.filter(later).order_by("attempt", "seq")[:limit])


def _before_tail(run: Run, tail: int) -> tuple[int, int]:
    """The place behind which the last `tail` lines are."""
    line = run.logs.order_by("-attempt", "-seq")[tail : tail + 1].first()
    return (line.attempt, line.seq) if line else (-1, -1)


def _event(line: RunLog) -> bytes:
    return sse.sse({"data": line.text, "timestamp": wire_time(line.at)})
