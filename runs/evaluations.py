"""What a worker measured: any metric of any task, in one shape for reports and pages."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models_app.content.evals import SHARES

MAX_COUNT = 10**9


@dataclass(frozen=True)
class Score:
    """`value` of `metric` over `count` rows; `lo` and `hi` bound its interval where there is one."""

    metric: str
    value: float
    count: int | None = None
    lo: float | None = None
    hi: float | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        return None if self.lo is None or self.hi is None else (self.lo, self.hi)


def score_of(evaluation: Mapping[str, Any], metric: str = "") -> Score | None:
    """The number of `metric`, or the evaluation's own first one; None where it holds no such number.

    Results of older releases name no metric: theirs is the accuracy.
    """
    own = str(evaluation.get("metric") or "accuracy")
    wanted = metric or own
    value = evaluation.get("value", evaluation.get(own)) if wanted == own else evaluation.get(wanted)
    number = _number(value)
    if number is None or (wanted in SHARES and not 0 <= number <= 1):
        return None
    lo, hi = _bounds(evaluation, wanted, own)
    count = evaluation.get("n")
    is_count = isinstance(count, int) and not isinstance(count, bool) and 0 < count <= MAX_COUNT
    known = count if is_count else None
    return Score(wanted, number, known, lo, hi)


def other_scores(evaluation: Mapping[str, Any], first: str = "") -> list[Score]:
    """The numbers beside the one of `first`, which is the evaluation's own where nothing is asked for."""
    own = str(evaluation.get("metric") or "accuracy")
    passed = {"n", "value", "lo", "hi", "metric", first or own}
    names = dict.fromkeys([own, *evaluation])
    found = (score_of(evaluation, name) for name in names if name not in passed)
    return [score for score in found if score is not None]


def _bounds(evaluation: Mapping[str, Any], metric: str, own: str) -> tuple[float | None, float | None]:
    """`lo` and `hi` are of the evaluation's own metric; `intervals` holds those of others by name."""
    if metric == own:
        return _number(evaluation.get("lo")), _number(evaluation.get("hi"))
    intervals = evaluation.get("intervals")
    pair = intervals.get(metric) if isinstance(intervals, Mapping) else None
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        return None, None
    lo, hi = (_number(end) for end in pair)
    return lo, hi


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
