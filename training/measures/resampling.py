"""The bootstrap: a measure on rows drawn again and again, seeded, a bounded piece of them at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.errors import UserError
from training.measures.checks import Floats, Ints

# Called with one array per row input; returns a number, or, where it is batched, one per leading index.
Metric = Callable[..., Any]
Rows = tuple[NDArray[Any], ...]

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


def columns(rows: Sequence[ArrayLike]) -> Rows:
    """Row inputs as arrays of one length; what is not numbers (texts, tags) becomes an array of objects.

    `UserError` `measure:shape`; `measure:too-few-rows` for fewer than two rows.
    """
    found = tuple(map(_column, rows))
    lengths = {len(column) for column in found}
    if len(lengths) != 1:
        counts = ", ".join(f"{len(column):,}" for column in found)
        raise UserError("measure:shape", f"The inputs have {counts} rows; they must be as many.")
    if min(lengths) < 2:
        raise UserError("measure:too-few-rows", "An interval needs at least 2 rows.")
    return found


def replicate(
    metric: Metric,
    rows: Rows,
    *,
    bca: bool,
    resamples: int,
    seed: int,
    strata: ArrayLike | None = None,
    batched: bool = False,
) -> Replicates:
    """`metric` on `rows` and on `resamples` draws with replacement, within each stratum if there are strata.

    The draws depend on the seed, the strata and the number of rows only. `UserError` `measure:undefined`
    where the metric is NaN on the rows themselves or on most draws.
    """
    if not 1 <= resamples <= MAX_RESAMPLES:
        raise ValueError(f"resamples must lie between 1 and {MAX_RESAMPLES:,}, not {resamples}.")
    estimate = _on(metric, rows, batched)
    if not np.isfinite(estimate):
        raise UserError("measure:undefined", "The measure is not defined on these rows: no interval.")
    layers = _layers(strata, len(rows[0]))
    values = np.concatenate(list(_drawn(metric, rows, layers, resamples, seed, batched)))
    known = values[np.isfinite(values)]
    if 2 * len(known) < len(values):
        text = "The measure is not defined on most resampled rows; too few rows, or strata would help."
        raise UserError("measure:undefined", text)
    undefined = len(values) - len(known)
    if not bca:
        return Replicates(estimate, known, undefined)
    influences = _influences(metric, rows, layers, seed, batched)
    return with_bca(estimate, known, influences, undefined)


def with_bca(estimate: float, values: Floats, influences: Floats, undefined: int = 0) -> Replicates:
    """Replicates with the bias and the acceleration of BCa; `influences`: of every row or group."""
    below = ((values < estimate).sum() + (values <= estimate).sum()) / (2 * len(values))
    edge = 0.5 / len(values)
    bias = NORMAL.inv_cdf(float(np.clip(below, edge, 1 - edge)))
    spread = float((influences**2).sum())
    acceleration = float((influences**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0
    return Replicates(estimate, values, undefined, bias, acceleration)


def _drawn(
    metric: Metric, rows: Rows, layers: list[Ints], resamples: int, seed: int, batched: bool
) -> Iterator[Floats]:
    count = len(rows[0])
    members = np.concatenate(layers)
    sizes = np.repeat([len(layer) for layer in layers], [len(layer) for layer in layers])
    starts = np.repeat(np.cumsum([0, *map(len, layers[:-1])]), [len(layer) for layer in layers])
    per_row = 32 + sum(column.nbytes // count for column in rows)
    step = max(1, min(resamples, MAX_BYTES // (per_row * count)))
    generator = np.random.default_rng(seed)
    for start in range(0, resamples, step):
        # Fractions, not whole numbers, so that the draws do not depend on the size of a piece.
        shares = generator.random((min(step, resamples - start), count))
        places = members[starts + (shares * sizes).astype(np.int64)]
        if batched:
            yield np.asarray(metric(*(column[places] for column in rows)), dtype=np.float64)
        else:
            found = [float(metric(*(column[one] for column in rows))) for one in places]
            yield np.array(found, dtype=np.float64)


def _influences(metric: Metric, rows: Rows, layers: list[Ints], seed: int, batched: bool) -> Floats:
    """Empirical influences from leaving out one row, or one group of rows, at a time; centred by stratum
    (Davison & Hinkley 1997, section 5.4; for one stratum Efron's).
    """
    count = len(rows[0])
    found = []
    shuffle = np.random.default_rng(seed)
    for layer in layers:
        groups = min(len(layer), max(2, round(MAX_LEFT_OUT * len(layer) / count)))
        mixed = layer if groups == len(layer) else shuffle.permutation(layer)
        values = []
        for group in np.array_split(mixed, groups):
            kept = np.delete(np.arange(count), group)
            values.append(_on(metric, tuple(column[kept] for column in rows), batched))
        known = np.array(values)
        known = known[np.isfinite(known)]
        if len(known):
            found.append((known.mean() - known) * (groups - 1) / groups)
    return np.concatenate(found) if found else np.zeros(1)


def _on(metric: Metric, rows: Rows, batched: bool) -> float:
    if not batched:
        return float(metric(*rows))
    return float(np.asarray(metric(*(column[None] for column in rows)))[0])


def _layers(strata: ArrayLike | None, count: int) -> list[Ints]:
    """Row indices of each stratum, rows in order."""
    if strata is None:
        return [np.arange(count)]
    names = _column(strata)
    if len(names) != count:
        raise UserError("measure:shape", f"There are {count:,} rows, but strata for {len(names):,}.")
    _, place = np.unique(names.astype(str) if names.dtype == object else names, return_inverse=True)
    order = np.argsort(place, kind="stable")
    return np.split(order, np.cumsum(np.bincount(place))[:-1])


def _column(values: Any) -> NDArray[Any]:
    if isinstance(values, np.ndarray) and values.ndim:
        return values
    try:
        array = np.asarray(values)
    except ValueError:
        array = np.zeros(0, dtype=object)
    if array.dtype.kind in "biuf" and array.ndim:
        return array
    kept = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):
        kept[row] = value
    return kept


def _stretched(moved: float, acceleration: float) -> float:
    """Where the skewness moves a normal quantile: to the end, once the correction has no value any more."""
    room = 1 - acceleration * moved
    return moved / room if room > 0 else math.copysign(math.inf, moved)
