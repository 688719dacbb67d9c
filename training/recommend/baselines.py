"""What a recommender must beat: the mean, biases, popularity, neighbours. They see the net's training rows.

Users and items are places from 1 as int64 [n], 0 for unknown ones, for whom only means are left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SHRINKAGE = 5.0
NEIGHBOURS = 50
# Pairs of items that few people met say little of their likeness (Koren 2010, section 2.2).
SUPPORT = 100.0


@dataclass(frozen=True)
class Pairs:
    """Training rows; `user_count` and `item_count`: how many ids there are."""

    users: np.ndarray
    items: np.ndarray
    ratings: np.ndarray
    user_count: int
    item_count: int


@dataclass(frozen=True)
class Biases:
    """mean + bias of the item + bias of the user, each a sum of deviations over its count + shrinkage."""

    mean: float
    users: np.ndarray
    items: np.ndarray

    @staticmethod
    def fit(rows: Pairs, shrinkage: float = SHRINKAGE) -> Biases:
        mean = float(rows.ratings.mean())
        items = _shrunk(rows.items, rows.ratings - mean, rows.item_count, shrinkage)
        users = _shrunk(rows.users, rows.ratings - mean - items[rows.items], rows.user_count, shrinkage)
        return Biases(mean, users, items)

    def predict(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """float64 [n]."""
        found: np.ndarray = self.mean + self.users[users] + self.items[items]
        return found


def item_neighbours(rows: Pairs, users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Ratings [n] of pairs: biases and the weighted residuals of the user's 50 items most alike (Koren 2010,
    equation 3, with the likeness of residuals, shrunk by support)."""
    biases = Biases.fit(rows)
    table = _dense(rows, rows.ratings - biases.predict(rows.users, rows.items))
    met = _dense(rows, np.ones(len(rows.users)))
    alike = _cosine(table)
    support = met.T @ met
    alike *= support / (support + SUPPORT)
    found = biases.predict(users, items)
    for row, (user, item) in enumerate(zip(users.tolist(), items.tolist(), strict=True)):
        own = np.flatnonzero(met[user])
        if not user or not item or not len(own):
            continue
        weights = alike[item, own]
        best = np.argsort(-weights)[:NEIGHBOURS]
        weights = np.maximum(weights[best], 0)
        if weights.sum() > 0:
            found[row] += weights @ table[user, own[best]] / weights.sum()
    return found


def popularity(rows: Pairs) -> np.ndarray:
    """float64 [items]: how many users met each."""
    return np.bincount(rows.items, minlength=rows.item_count + 1)[1:].astype(np.float64)


def neighbour_scores(rows: Pairs, users: np.ndarray) -> np.ndarray:
    """Scores [B, items] of users [B]: the likeness of each item to those they met, its 50 nearest only.

    Cosine of who met them (Deshpande & Karypis 2004).
    """
    met = _dense(rows, np.ones(len(rows.users)))
    met = np.minimum(met, 1.0)
    alike = _cosine(met)
    if alike.shape[0] > NEIGHBOURS:
        edge = -np.partition(-alike, NEIGHBOURS - 1, axis=1)[:, NEIGHBOURS - 1 : NEIGHBOURS]
        alike = np.where(alike >= edge, alike, 0.0)
    found: np.ndarray = (met[users] @ alike.T)[:, 1:]
    return found


def _shrunk(places: np.ndarray, values: np.ndarray, count: int, shrinkage: float) -> np.ndarray:
    sums = np.bincount(places, weights=values, minlength=count + 1)
    found: np.ndarray = sums / (np.bincount(places, minlength=count + 1) + shrinkage)
    found[0] = 0.0
    return found


def _dense(rows: Pairs, values: np.ndarray) -> np.ndarray:
    table = np.zeros((rows.user_count + 1, rows.item_count + 1))
    table[rows.users, rows.items] = values
    return table


def _cosine(table: np.ndarray) -> np.ndarray:
    """[items, items] of columns; an item is no neighbour of itself."""
    lengths = np.maximum(np.sqrt((table**2).sum(0)), 1e-12)
    alike: np.ndarray = (table.T @ table) / np.outer(lengths, lengths)
    np.fill_diagonal(alike, 0.0)
    return alike
