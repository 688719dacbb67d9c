"""How sure a number is: the interval that other rows of the same kind would leave it in.

All of them are about the rows of the test set; how much training again would change, only several seeds tell.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from statistics import NormalDist

from numpy.typing import ArrayLike

from training.measures.checks import binary
from training.measures.resampling import Metric, replicate
from training.measures.units import columns
from training.metrics import wilson

__all__ = ["Interval", "bootstrap", "proportion", "wilson"]

RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """`estimate` on all rows, `lo` to `hi` with the confidence `level`; `method`: wilson, percentile or bca.
    `undefined`: resamples on which the measure had no value.
    """

    estimate: float
    lo: float
    hi: float
    level: float
    method: str
    rows: int
    resamples: int = 0
    undefined: int = 0

    def as_dict(self) -> dict[str, float | int | str]:
        return dataclasses.asdict(self)


def proportion(successes: ArrayLike, level: float = 0.95) -> Interval:
    """Share of ones in `successes` [n] of 0 and 1 with its Wilson interval: right at few rows and at 100 %,
    where the bootstrap has nothing to say.
    """
    check_level(level)
    ones = binary(successes, "successes")
    lo, hi = wilson(int(ones.sum()), len(ones), NormalDist().inv_cdf((1 + level) / 2))
    return Interval(float(ones.mean()), lo, hi, level, "wilson", len(ones))


def bootstrap(
    metric: Metric,
    *rows: ArrayLike,
    level: float = 0.95,
    method: str = "bca",
    resamples: int = RESAMPLES,
    seed: int = 0,
    strata: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    batched: bool = False,
) -> Interval:
    """Bootstrap interval of `metric(*rows)`, each of `rows` having one entry per row (Efron 1987).

    `method`: `percentile`, or `bca`, which corrects for bias and skewness. `strata` [n]: rows are drawn
    within each, as when the test set was drawn by class. `groups` [n]: rows of one group come and go
    together, as windows of one series or questions of one person do; without it their interval is too narrow.
    `batched`: the metric takes [draws, n, …] and returns [draws]: faster. Texts and lists of tags are welcome
    as rows. Errors are those of `units` and `resampling.replicate`, and the metric's own.
    """
    check_level(level)
    if method not in ("percentile", "bca"):
        raise ValueError(f"method must be percentile or bca, not {method!r}.")
    found = columns(rows)
    draws = replicate(
        metric,
        found,
        bca=method == "bca",
        resamples=resamples,
        seed=seed,
        strata=strata,
        groups=groups,
        batched=batched,
    )
    lo, hi = draws.bounds(level)
    return Interval(draws.estimate, lo, hi, level, method, len(found[0]), resamples, draws.undefined)


def check_level(level: float) -> None:
    """`ValueError` for what is no confidence level."""
    if not 0 < level < 1:
        raise ValueError(f"A confidence level must lie between 0 and 1, not {level}.")
