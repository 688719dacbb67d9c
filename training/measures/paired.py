"""Is one model better than another? Both measured on the same test rows, row against row."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from training.measures.checks import Floats, indices, same_length
from training.measures.intervals import RESAMPLES, check_level
from training.measures.mcnemar import McNemar, mcnemar
from training.measures.resampling import Metric, replicate
from training.measures.units import columns

__all__ = ["Comparison", "McNemar", "compare", "compare_accuracy", "mcnemar"]

MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Comparison:
    """`first` and `second`: the measure of each model; `difference`: first − second, with its interval `lo`
    to `hi` at `level`; `p_value` of there being none. `unit` follows numbers: `points` are hundredths.
    """

    names: tuple[str, str]
    first: float
    second: float
    difference: float
    lo: float
    hi: float
    p_value: float
    level: float
    rows: int
    higher_is_better: bool = True
    unit: str = "points"

    @property
    def better(self) -> str | None:
        """The name of the better model; None unless the interval excludes 0 and the p-value agrees."""
        if self.lo <= 0 <= self.hi or self.p_value > 1 - self.level:
            return None
        return self.names[0 if (self.difference > 0) is self.higher_is_better else 1]

    @property
    def verdict(self) -> str:
        """One sentence: "A is better by 1.2 points (0.3 to 2.1)." or that they cannot be told apart."""
        if not self.difference and not self.lo and not self.hi:
            return f"{self.names[0]} and {self.names[1]} do equally well."
        first_leads = (self.difference >= 0) is self.higher_is_better
        sign = 1 if self.difference >= 0 else -1
        ends = sorted((sign * self.lo, sign * self.hi))
        scale = 100 if self.unit == "points" else 1
        gap, low, high = (scale * value for value in (abs(self.difference), *ends))
        digits = _digits(low, high, gap)
        told = f"{_figure(gap, digits)} {self.unit}".rstrip()
        between = f"({_figure(low, digits)} to {_figure(high, digits)})"
        if self.better:
            return f"{self.better} is better by {told} {between}."
        # The bootstrap is sure too soon where few rows differ; then the exact test has the last word.
        doubt = "" if self.lo <= 0 <= self.hi else f", which may be chance (p = {self.p_value:.2f})"
        lead = f"{self.names[0 if first_leads else 1]} leads by" if self.difference else "the difference is"
        return f"{' and '.join(self.names)} cannot be told apart: {lead} {told} {between}{doubt}."

    def as_dict(self) -> dict[str, object]:
        """Every field, `better` and `verdict`: ready for JSON."""
        return {**dataclasses.asdict(self), "better": self.better, "verdict": self.verdict}


def compare_accuracy(
    targets: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    names: tuple[str, str] = ("A", "B"),
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Two models' predicted classes [n] for the same `targets`: interval by the paired bootstrap, p-value by
    McNemar's exact test, which few differing rows do not deceive.
    """
    truth = indices(targets, "targets")
    right = [indices(guess, "predictions") for guess in (first, second)]
    for guess in right:
        same_length(len(truth), len(guess), "targets and predictions")
    a, b = ((guess == truth).astype(np.int8) for guess in right)
    found = compare(
        _mean,
        (a,),
        (b,),
        names=names,
        level=level,
        resamples=resamples,
        seed=seed,
        batched=True,
        method="bca",
    )
    return dataclasses.replace(found, p_value=mcnemar(a, b).p_value)


def compare(
    metric: Metric,
    first: Sequence[ArrayLike],
    second: Sequence[ArrayLike],
    *,
    names: tuple[str, str] = ("A", "B"),
    higher_is_better: bool = True,
    unit: str = "points",
    level: float = 0.95,
    method: str = "bca",
    resamples: int = RESAMPLES,
    seed: int = 0,
    strata: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    batched: bool = False,
) -> Comparison:
    """Paired bootstrap of `metric(*first)` − `metric(*second)`: the same rows are drawn for both.

    `first` and `second` hold the row inputs of each model, as (targets, predictions). The interval and the
    p-value are of one kind: one excludes 0 when the other is small. The rest as in `intervals.bootstrap`.
    """
    check_level(level)
    if method not in ("percentile", "bca"):
        raise ValueError(f"method must be percentile or bca, not {method!r}.")
    rows, split = columns([*first, *second]), len(first)

    def difference(*both: object) -> object:
        return metric(*both[:split]) - metric(*both[split:])

    draws = replicate(
        difference,
        rows,
        bca=method == "bca",
        resamples=resamples,
        seed=seed,
        strata=strata,
        groups=groups,
        batched=batched,
    )
    lo, hi = draws.bounds(level)
    return Comparison(
        names=names,
        first=_once(metric, rows[:split], batched),
        second=_once(metric, rows[split:], batched),
        difference=draws.estimate,
        lo=lo,
        hi=hi,
        p_value=draws.p_value(),
        level=level,
        rows=len(rows[0]),
        higher_is_better=higher_is_better,
        unit=unit,
    )


def _once(metric: Metric, rows: Sequence[np.ndarray], batched: bool) -> float:
    return float(metric(*(column[None] for column in rows))[0] if batched else metric(*rows))


def _mean(values: Floats) -> Floats:
    return values.mean(axis=1)


def _digits(low: float, high: float, gap: float) -> int:
    """Decimals that show two digits of the interval's width, and that a bound near 0 is not 0."""
    width = high - low or gap or 1.0
    digits = max(0, 1 - math.floor(math.log10(width)))
    while digits < 8 and low and round(low, digits) == 0:
        digits += 1
    return min(digits, 8)


def _figure(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}".replace("-", MINUS)
