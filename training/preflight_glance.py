"""What a preflight asks of `prepare`: fewer rows where all cost too long, each kind of work timed by row."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from torch import Tensor

from training.reporting import Reporter

T = TypeVar("T")
# Rows of a first look, which tells what a row costs.
FEW = 24
# Nearly all is all: what is whole needs no estimate.
WHOLE = 0.8
# One row in so many is of the beginning.
HEAD_SHARE = 4
DEEP = 6


class TooSlow(Exception):
    """The frozen body takes longer for these rows than a preflight may: try with fewer."""


@dataclass(frozen=True)
class Loaded:
    """`rows` of a split that a run would read, `looked_at` of them; `seconds` and `bytes_missing` are those
    of all rows, and of the rows that were not looked at."""

    stage: str
    rows: int
    looked_at: int
    seconds: float
    took: float
    bytes_missing: float


class Clock:
    """A reporter that keeps time by stage and hears every `check`; passes nothing on but `check`.

    Lines and numbers of a preflight are nobody's: they are of a run that does not happen.
    """

    def __init__(self, inner: Reporter, slow: float) -> None:
        self.inner, self.slow = inner, slow
        self.now_in, self.since = "load", time.monotonic()
        self.spent: dict[str, float] = {}
        self.checks: dict[str, list[float]] = {}
        self.patient = False

    def stage(self, name: str) -> None:
        self.close()
        self.now_in = "features" if name == "features" else "load"

    def log(self, text: str) -> None: ...

    def report(self, step: int, total_steps: int, metrics: dict[str, float]) -> None: ...

    def check(self) -> None:
        self.inner.check()
        now = time.monotonic()
        self.checks.setdefault(self.now_in, []).append(now)
        if self.now_in == "features" and now - self.since > self.slow and not self.patient:
            raise TooSlow

    def close(self) -> float:
        """Ends what went on; the moment at which it did."""
        now = time.monotonic()
        self.spent[self.now_in] = self.spent.get(self.now_in, 0.0) + now - self.since
        self.since = now
        return now

    def leave_out(self, seconds: float) -> None:
        """Of the time since the stage began so much is counted elsewhere."""
        self.spent[self.now_in] = self.spent.get(self.now_in, 0.0) - seconds


class Glance:
    """Stands in a `Plan`: `load` does a piece of work for as many rows as its time allows.

    `seconds` are for one piece of work; `most` bounds the rows of each, whatever the task allows.
    """

    def __init__(self, clock: Clock, *, seconds: float, most: int | None = None) -> None:
        self.clock, self.seconds, self.most = clock, seconds, most
        self.loads: list[Loaded] = []

    def load(self, rows: list[int], work: Callable[[list[int]], T], at_most: int | None) -> T:
        """What `work` makes of rows spread evenly over `rows`; at most `at_most` of them."""
        began, stage = time.monotonic(), self.clock.now_in
        most = min(count for count in (len(rows), at_most, self.most) if count is not None)
        if most <= FEW:
            found = work(_spread(rows, most))
            took = time.monotonic() - began
            missing = (len(rows) - most) * _bytes_of(found) / max(1, most)
            self._keep(Loaded(stage, len(rows), most, took * len(rows) / max(1, most), took, missing))
            return found
        few = _spread(rows, FEW)
        small = _bytes_of(work(few))
        first = time.monotonic() - began
        # Other rows: of the same ones a task might find its features where it has left them.
        again, _ = _timed(lambda: work(_spread(rows, FEW, 1)))
        affordable = int(min(most, self.seconds * FEW / max(again, 1e-6)))
        count = max(FEW, most if affordable >= WHOLE * most else affordable)
        seconds, found = _timed(lambda: work(_looked_at(rows, count)))
        each = max(0.0, seconds - again) / (count - FEW) if count > FEW else again / FEW
        by_row = max(0.0, _bytes_of(found) - small) / (count - FEW) if count > FEW else small / FEW
        whole = first + each * (len(rows) - FEW)
        took = time.monotonic() - began
        self._keep(Loaded(stage, len(rows), count, whole, took, by_row * (len(rows) - count)))
        return found

    def _keep(self, loaded: Loaded) -> None:
        self.clock.leave_out(loaded.took)
        self.loads.append(loaded)

    def seconds_of(self, stage: str) -> float:
        """What a run would spend in a stage, of which `features` may be looked at in part."""
        loads = [item for item in self.loads if item.stage == stage]
        rest = self.clock.spent.get(stage, 0.0)
        if stage == "features" and not loads:
            rest = self._all_features(rest)
        return rest + sum(item.seconds for item in loads)

    @property
    def share(self) -> float:
        """How many times more rows a run reads than were looked at."""
        looked = sum(item.looked_at for item in self.loads)
        return sum(item.rows for item in self.loads) / looked if looked else 1.0

    def share_of(self, index: int) -> float:
        """The same of one part: 0 is what is learnt from, 1 what validates; 1.0 where all was read."""
        if index >= len(self.loads):
            return 1.0
        item = self.loads[index]
        return item.rows / item.looked_at if item.looked_at else 1.0

    @property
    def bytes_missing(self) -> float:
        """Memory of the rows that were not looked at."""
        return sum(item.bytes_missing for item in self.loads)

    def _all_features(self, seconds: float) -> float:
        """Seconds of a frozen body over all rows: the first batch has its preparations beside it."""
        checks = self.clock.checks.get("features", [])
        if self.share <= 1.0 or len(checks) < 3:
            return seconds * self.share
        # From the second batch on until the last one began: whole batches, nothing else.
        pace = (checks[-1] - checks[1]) / (len(checks) - 2)
        return seconds + pace * len(checks) * (self.share - 1)


def _looked_at(rows: list[int], count: int) -> list[int]:
    """So many of the rows: the first ones of a run, by which a frozen body chooses its form, then others."""
    head = count // HEAD_SHARE
    return rows[:head] + _spread(rows[head:], count - head)


def _spread(rows: list[int], count: int, after: int = 0) -> list[int]:
    """So many of the rows, evenly, in order: where rows lie by class or by length all kinds are seen."""
    if count >= len(rows):
        return rows
    places = [index * len(rows) // count for index in range(count)]
    after = min(after, len(rows) - 1 - places[-1])
    return [rows[place + after] for place in places]


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    began = time.monotonic()
    found = work()
    return time.monotonic() - began, found


def _bytes_of(value: Any, depth: int = DEEP, known: set[int] | None = None) -> float:
    """About how much memory a value holds: tensors and arrays exactly, long lists by their first items."""
    known = set() if known is None else known
    if id(value) in known or depth == 0:
        return 0.0
    known.add(id(value))
    if isinstance(value, Tensor | np.ndarray):
        return float(value.nbytes)
    if isinstance(value, list | tuple):
        first = value[:50]
        each = sum(sys.getsizeof(item) + _bytes_of(item, depth - 1, known) for item in first)
        return sys.getsizeof(value) + each / max(1, len(first)) * len(value)
    if isinstance(value, Mapping):
        return sum(_bytes_of(item, depth - 1, known) for item in value.values())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return sum(_bytes_of(item, depth - 1, known) for item in vars(value).values())
    return 0.0
