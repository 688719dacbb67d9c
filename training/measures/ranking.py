"""Measures of ranked recommendations.

`hits` [users, places]: 1 where the item recommended at that place, best first, is relevant. `relevant`
[users]: how many relevant items each user has in all. Users without any are left out; NaN is what remains of
none. Errors are those of `checks`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import ArrayLike

from training.errors import UserError
from training.measures.checks import Bools, Ints, as_array, binary, defined, indices, numbers


def rank(scores: ArrayLike, k: int, *, seen: ArrayLike | None = None, seed: int = 0) -> Ints:
    """The `k` best items of every user, best first, from `scores` [users, items].

    `seen` [users, items] of 0 and 1: items never to be recommended; places for which none is left hold −1.
    Equal scores come in an order drawn from `seed`, the same for all users: an order by index would reward
    a constant model where popular items, or the one that was held out, come first.
    """
    grades = numbers(scores, "scores", None, None).copy()
    items = grades.shape[1]
    if not 1 <= k <= items:
        raise ValueError(f"k must lie between 1 and the {items:,} items, not {k}.")
    order = np.random.default_rng(seed).permutation(items)
    if seen is not None:
        grades[binary(seen, "seen items", *grades.shape)] = -np.inf
    grades = grades[:, order]
    places = np.argsort(-grades, axis=1, kind="stable")[:, :k]
    spent = np.isneginf(np.take_along_axis(grades, places, axis=1))
    return np.where(spent, -1, order[places])


def hits_of(ranked: ArrayLike, relevant: Sequence[Collection[int]]) -> tuple[Bools, Ints]:
    """`hits` and `relevant` of items recommended [users, places] (−1: none) and each user's relevant items.

    `UserError` `measure:duplicates` where an item is recommended twice to the same user.
    """
    items = as_array(ranked, "recommended items")
    # −1, an empty place, is no index.
    shifted = items + 1 if items.dtype.kind in "iu" else items
    items = indices(shifted, "recommended items", None, None, None) - 1
    if len(items) != len(relevant):
        text = f"{len(items):,} users have recommendations, but {len(relevant):,} have relevant items."
        raise UserError("measure:shape", text)
    ordered = np.sort(items, axis=1)
    twice = ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any(axis=1)
    if twice.any():
        text = f"The recommendations of user {int(np.argmax(twice)) + 1:,} hold an item twice."
        raise UserError("measure:duplicates", text)
    wanted = [set(own) for own in relevant]
    found = [[item in own for item in row] for row, own in zip(items.tolist(), wanted, strict=True)]
    return np.array(found, dtype=np.bool_), np.array([len(own) for own in wanted], dtype=np.int64)


def recall(hits: ArrayLike, relevant: ArrayLike, k: int) -> float:
    """Share of a user's relevant items among the first `k`, mean over users."""
    first, totals = _first(hits, relevant, k)
    return _mean(first.sum(axis=1) / totals)


def precision(hits: ArrayLike, relevant: ArrayLike, k: int) -> float:
    """Relevant items among the first `k`, over `k`, mean over users."""
    first, _ = _first(hits, relevant, k)
    return _mean(first.sum(axis=1) / k)


def hit_rate(hits: ArrayLike, relevant: ArrayLike, k: int) -> float:
    """Share of users with a relevant item among the first `k`."""
    first, _ = _first(hits, relevant, k)
    return _mean(first.any(axis=1))


def ndcg(hits: ArrayLike, relevant: ArrayLike, k: int) -> float:
    """Normalised discounted cumulative gain of the first `k`, gains 0 and 1 (Järvelin & Kekäläinen 2002)."""
    first, totals = _first(hits, relevant, k)
    discounts = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discounts)[np.minimum(totals, k) - 1]
    return _mean(first @ discounts / ideal)


def mrr(hits: ArrayLike, relevant: ArrayLike, k: int | None = None) -> float:
    """1 over the place of the first relevant item among the first `k` (all), else 0; mean over users."""
    first, _ = _first(hits, relevant, k or max(np.shape(hits)[-1], 1))
    place = first.argmax(axis=1) + 1
    return _mean(np.where(first.any(axis=1), 1 / place, 0.0))


def mean_average_precision(hits: ArrayLike, relevant: ArrayLike, k: int) -> float:
    """Precision at the place of each relevant item among the first `k`, summed, over min(relevant items, k);
    mean over users.
    """
    first, totals = _first(hits, relevant, k)
    so_far = np.cumsum(first, axis=1) / np.arange(1, k + 1)
    return _mean((so_far * first).sum(axis=1) / np.minimum(totals, k))


def summary(hits: ArrayLike, relevant: ArrayLike, ks: Sequence[int] = (10,)) -> dict[str, float]:
    """Every number there is at each of `ks`, as `ndcg@10`; empty where no user has a relevant item."""
    found = {"mrr": mrr(hits, relevant)}
    for k in ks:
        found[f"recall@{k}"] = recall(hits, relevant, k)
        found[f"precision@{k}"] = precision(hits, relevant, k)
        found[f"hit_rate@{k}"] = hit_rate(hits, relevant, k)
        found[f"ndcg@{k}"] = ndcg(hits, relevant, k)
        found[f"map@{k}"] = mean_average_precision(hits, relevant, k)
    return defined(found)


def _first(hits: ArrayLike, relevant: ArrayLike, k: int) -> tuple[Bools, Ints]:
    """The first `k` places and the number of relevant items of the users who have any."""
    found = binary(hits, "hits", None, None)
    totals = indices(relevant, "relevant items", None, len(found))
    if not 1 <= k <= found.shape[1]:
        raise ValueError(f"k must lie between 1 and the {found.shape[1]:,} places, not {k}.")
    if (found.sum(axis=1) > totals).any():
        row = int(np.argmax(found.sum(axis=1) > totals))
        raise UserError("measure:hits", f"User {row + 1:,} has more hits than relevant items.")
    return found[totals > 0, :k], totals[totals > 0]


def _mean(values: ArrayLike) -> float:
    array = np.asarray(values, dtype=np.float64)
    return float(array.mean()) if array.size else math.nan
