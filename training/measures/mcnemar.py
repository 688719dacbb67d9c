"""McNemar's test: do two models err on different rows by more than chance?"""

from __future__ import annotations

import math
from dataclasses import dataclass

from numpy.typing import ArrayLike

from training.measures.checks import binary, same_length


@dataclass(frozen=True)
class McNemar:
    """Rows that only one of the two told right, and the exact two-sided p-value that it is chance."""

    only_first: int
    only_second: int
    p_value: float


def mcnemar(first: ArrayLike, second: ArrayLike) -> McNemar:
    """Exact McNemar test (1947) of `first` and `second` [n]: 1 where that model is right. Rows on which both
    agree say nothing; with no others the p-value is 1.
    """
    a, b = binary(first, "answers of the first model"), binary(second, "answers of the second model")
    same_length(len(a), len(b), "answers of the two models")
    only_first, only_second = int((a & ~b).sum()), int((b & ~a).sum())
    return McNemar(only_first, only_second, _two_sided(only_first, only_second))


def _two_sided(one: int, other: int) -> float:
    """Twice the chance of so few heads, or fewer, in as many throws; at most 1."""
    few, throws = min(one, other), one + other
    if not throws:
        return 1.0
    ways = math.lgamma(throws + 1) - math.lgamma(few + 1) - math.lgamma(throws - few + 1)
    term = total = math.exp(ways - throws * math.log(2))
    for heads in range(few, 0, -1):
        term *= heads / (throws - heads + 1)
        total += term
        if term < total * 1e-17:
            break
    return min(1.0, 2 * total)
