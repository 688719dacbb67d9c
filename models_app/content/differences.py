"""The difference of two measured numbers with an interval of its own, from the intervals of both."""

from __future__ import annotations

import math

Interval = tuple[float, float]


def difference(
    one: float, one_interval: Interval, other: float, other_interval: Interval
) -> tuple[float, Interval]:
    """`one` minus `other` and its 95 % interval, by variance estimates recovery (Newcombe 1998).

    Both count as measured independently. Of two models on the same examples that is wider than the truth, so
    a difference that is clear here is clear.
    """
    value = one - other
    (low, high), (other_low, other_high) = one_interval, other_interval
    below = math.hypot(one - low, other_high - other)
    above = math.hypot(high - one, other - other_low)
    return value, (value - below, value + above)
