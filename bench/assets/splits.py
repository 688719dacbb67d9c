"""Fixed splits. Rows are ordered by a hash of seed and key, which no library's generator can change."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence

SHARES = (0.7, 0.1, 0.2)
NAMES = ("train", "validation", "test")
Rows = dict[str, list[int]]


def shuffled(keys: Sequence[object], seed: int = 0) -> list[int]:
    """Row numbers in an order that depends on the seed and the keys alone."""
    digest = [hashlib.sha256(f"{seed}:{key}".encode()).digest() for key in keys]
    return sorted(range(len(keys)), key=lambda row: (digest[row], row))


def random_split(count: int, seed: int = 0, shares: Sequence[float] = SHARES) -> Rows:
    """Rows at random, in shares of train, validation and test."""
    return _cut(shuffled(range(count), seed), shares)


def stratified_split(labels: Sequence[Hashable], seed: int = 0, shares: Sequence[float] = SHARES) -> Rows:
    """Rows at random, every class in the same shares; inside a split the classes are mixed."""
    by_class: dict[Hashable, list[int]] = {}
    for row in shuffled(range(len(labels)), seed):
        by_class.setdefault(labels[row], []).append(row)
    parts = [_cut(rows, shares) for rows in by_class.values()]
    place = {row: rank for rank, row in enumerate(shuffled(range(len(labels)), seed + 1))}
    return {
        name: sorted((row for part in parts for row in part[name]), key=place.__getitem__) for name in NAMES
    }


def grouped_split(groups: Sequence[Hashable], seed: int = 0, shares: Sequence[float] = SHARES) -> Rows:
    """Whole groups at random: no group is in two splits. Shares are met as near as the groups allow."""
    members: dict[Hashable, list[int]] = {}
    for row, group in enumerate(groups):
        members.setdefault(group, []).append(row)
    keys = list(members)
    found: Rows = {name: [] for name in NAMES}
    for index in shuffled([str(key) for key in keys], seed):
        rows = members[keys[index]]
        # The split that lacks most of its share takes the next group.
        lacking = {
            name: share - len(found[name]) / len(groups) for name, share in zip(NAMES, shares, strict=True)
        }
        found[max(lacking, key=lambda name: lacking[name] / shares[NAMES.index(name)])] += rows
    place = {row: rank for rank, row in enumerate(shuffled(range(len(groups)), seed + 1))}
    return {name: sorted(rows, key=place.__getitem__) for name, rows in found.items()}


def ordered_split(count: int, shares: Sequence[float] = SHARES) -> Rows:
    """The first rows train, the last test: for rows in the order of time."""
    return _cut(list(range(count)), shares)


def hold_out(rows: Sequence[int], share: float, seed: int = 0) -> tuple[list[int], list[int]]:
    """(kept, held out) of the given rows, at random."""
    order = [rows[index] for index in shuffled(rows, seed)]
    size = round(len(rows) * share)
    return order[size:], order[:size]


def _cut(order: list[int], shares: Sequence[float]) -> Rows:
    train = round(len(order) * shares[0])
    validation = train + round(len(order) * shares[1])
    return {"train": order[:train], "validation": order[train:validation], "test": order[validation:]}
