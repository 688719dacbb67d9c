"""The bootstrap: a measure on rows drawn again and again, seeded, a bounded piece of them at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from training.errors import UserError
from training.measures.checks import Floats, Ints
from training.measures.units import Rows, Units, units

# Called with one array per row input; returns a number, or, where it is batched, one per leading index.
Metric = Callable[..., Any]

MAX_BYTES = 64 * 1024 * 1024
MAX_RESAMPLES = 1_000_000
# Beyond this many rows the jackknife leaves out groups of rows: its skewness, all that BCa takes from it,
# is the same to first order, and its cost stays bounded.
MAX_LEFT_OUT = 1000
NORMAL = NormalDist()


@dataclass(frozen=True)
class Replicates:
    """A measure on all rows, and on resampled rows where it is defined (`undefined`: how often it was not).

    `bias` and `acceleration` are z0 and a of the BCa interval (Efron 1987); both 0: the percentile interval.
    """

    estimate: float
    values: Floats
    undefined: int
    bias: float = 0.0
    acceleration: float = 0.0

    def bounds(self, level: float) -> tuple[float, float]:
        """The interval that holds the measure with the confidence `level`."""
        edges = [NORMAL.inv_cdf(share) for share in ((1 - level) / 2, (1 + level) / 2)]
        shares = [NORMAL.cdf(self.bias + _stretched(self.bias + z, self.acceleration)) for z in edges]
        low, high = np.quantile(self.values, shares)
        return float(low), float(high)

    def p_value(self, null: float = 0.0) -> float:
        """Twice the smaller chance at which a one-sided interval of the same kind leaves `null` out.

        Never 0: one replicate more than there are is taken to lie beyond.
        """
        count = len(self.values) + 1
        below = (int((self.values <= null).sum()) + 1) / count
        above = (int((self.values >= null).sum()) + 1) / count
        return min(1.0, 2 * min(self._level_at(below), 1 - self._level_at(1 - above)))

    def _level_at(self, share: float) -> float:
        """The one-sided chance whose bound is the given quantile of the replicates: `bounds` turned round."""
        if not 0 < share < 1:
            return min(max(share, 0.0), 1.0)
        moved = NORMAL.inv_cdf(share) - self.bias
        return NORMAL.cdf(_stretched(moved, -self.acceleration) - self.bias)


def replicate(
    metric: Metric,
    rows: Rows,
    *,
    bca: bool,
    resamples: int,
    seed: int,
    strata: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    batched: bool = False,
) -> Replicates:
    """`metric` on `rows` and on `resamples` draws with replacement: of rows, or of whole groups of rows, and
    within each stratum if there are strata.

    The draws depend on the seed, strata, groups and the number of rows only. `UserError` `measure:undefined`
    where the metric is NaN on the rows themselves or on most draws; and those of `units`.
    """
    if not 1 <= resamples <= MAX_RESAMPLES:
        raise ValueError(f"resamples must lie between 1 and {MAX_RESAMPLES:,}, not {resamples}.")
    drawn = units(len(rows[0]), strata, groups)
    estimate = _on(metric, rows, batched)
    if not np.isfinite(estimate):
        raise UserError("measure:undefined", "The measure is not defined on these rows: no interval.")
    values = np.concatenate(list(_drawn(metric, rows, drawn, resamples, seed, batched)))
    known = values[np.isfinite(values)]
    if 2 * len(known) < len(values):
        text = "The measure is not defined on most resampled rows; too few rows, or strata would help."
        raise UserError("measure:undefined", text)
    undefined = len(values) - len(known)
    if not bca:
        return Replicates(estimate, known, undefined)
    return with_bca(estimate, known, _influences(metric, rows, drawn, seed, batched), undefined)


def with_bca(estimate: float, values: Floats, influences: Floats, undefined: int = 0) -> Replicates:
    """Replicates with the bias and the acceleration of BCa; `influences`: of every row or group."""
    below = ((values < estimate).sum() + (values <= estimate).sum()) / (2 * len(values))
    edge = 0.5 / len(values)
    bias = NORMAL.inv_cdf(float(np.clip(below, edge, 1 - edge)))
    spread = float((influences**2).sum())
    acceleration = float((influences**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0
    return Replicates(estimate, values, undefined, bias, acceleration)


def _drawn(
    metric: Metric, rows: Rows, drawn: Units, resamples: int, seed: int, batched: bool
) -> Iterator[Floats]:
    members = np.concatenate(drawn.layers)
    lengths = [len(layer) for layer in drawn.layers]
    sizes, starts = np.repeat(lengths, lengths), np.repeat(np.cumsum(lengths) - lengths, lengths)
    per_draw = 32 * len(members)
    if batched and drawn.single:
        per_draw += sum(column.nbytes for column in rows)
    step = max(1, min(resamples, MAX_BYTES // per_draw))
    generator = np.random.default_rng(seed)
    for start in range(0, resamples, step):
        # Fractions, not whole numbers, so that the draws do not depend on the size of a piece.
        shares = generator.random((min(step, resamples - start), len(members)))
        places = members[starts + (shares * sizes).astype(np.int64)]
        if batched and drawn.single:
            yield np.asarray(metric(*(column[places] for column in rows)), dtype=np.float64)
        else:
            picked = (drawn.rows_of(one) for one in places)
            yield np.array([_on(metric, _taken(rows, one), batched) for one in picked], dtype=np.float64)


def _influences(metric: Metric, rows: Rows, drawn: Units, seed: int, batched: bool) -> Floats:
    """Empirical influences from leaving out one unit, or one bunch of units, at a time; centred by stratum
    (Davison & Hinkley 1997, section 5.4; for one stratum Efron's).
    """
    count = len(drawn.sizes)
    found = []
    shuffle = np.random.default_rng(seed)
    for layer in drawn.layers:
        bunches = min(len(layer), max(2, round(MAX_LEFT_OUT * len(layer) / count)))
        mixed = layer if bunches == len(layer) else shuffle.permutation(layer)
        values = []
        for bunch in np.array_split(mixed, bunches):
            kept = drawn.rows_of(np.delete(np.arange(count), bunch))
            values.append(_on(metric, _taken(rows, kept), batched))
        known = np.array(values)
        known = known[np.isfinite(known)]
        if len(known):
            found.append((known.mean() - known) * (bunches - 1) / bunches)
    return np.concatenate(found) if found else np.zeros(1)


def _taken(rows: Rows, places: Ints) -> Rows:
    return tuple(column[places] for column in rows)


def _on(metric: Metric, rows: Rows, batched: bool) -> float:
    if not batched:
        return float(metric(*rows))
    return float(np.asarray(metric(*(column[None] for column in rows)))[0])


def _stretched(moved: float, acceleration: float) -> float:
    """Where the skewness moves a normal quantile: to the end, once the correction has no value any more."""
    room = 1 - acceleration * moved
    return moved / room if room > 0 else math.copysign(math.inf, moved)
