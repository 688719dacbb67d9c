"""Rows as the loop takes them: rated pairs, pairs beside drawn negatives, users with what they held out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

REDRAWS = 8


@dataclass(frozen=True)
class Seen:
    """Distinct items (places from 1) of every user: those of user u are `items[starts[u]:starts[u + 1]]`."""

    starts: Tensor
    items: Tensor
    total: int

    @staticmethod
    def of(users: np.ndarray, items: np.ndarray, user_count: int, item_count: int) -> Seen:
        """From places [n] of pairs; pairs of someone or something unknown (place 0) are left out."""
        known = (users > 0) & (items > 0)
        keys = np.unique(users[known] * (item_count + 1) + items[known])
        counts = np.bincount(keys // (item_count + 1), minlength=user_count + 1)
        starts = np.concatenate([[0], np.cumsum(counts)])
        return Seen(torch.from_numpy(starts), torch.from_numpy(keys % (item_count + 1)), item_count)

    def keys(self) -> Tensor:
        """Sorted: user · (total + 1) + item."""
        users = torch.arange(len(self.starts) - 1).repeat_interleave(self.starts.diff())
        return users * (self.total + 1) + self.items

    def mask(self, users: Tensor) -> Tensor:
        """bool [B, total]: what each of these users [B] has seen, item 1 first."""
        found = torch.zeros(len(users), self.total, dtype=torch.bool)
        for row, user in enumerate(users.tolist()):
            found[row, self.items[self.starts[user] : self.starts[user + 1]] - 1] = True
        return found


@dataclass(frozen=True)
class RatedPairs:
    """`users`, `items` int64 [n], `targets` float32 [n]."""

    users: Tensor
    items: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.users)

    def fingerprint(self) -> str:
        return _digest(self.users, self.items, self.targets)

    def take(
        self, rows: Tensor, device: torch.device, seed: int | None = None
    ) -> tuple[dict[str, Tensor], Tensor]:
        inputs = {"users": self.users[rows].to(device), "items": self.items[rows].unsqueeze(1).to(device)}
        return inputs, self.targets[rows].to(device)


class DrawnPairs:
    """Pairs that were met; `take` sets `negatives` items beside each that its user never met in training.

    They are drawn uniformly among the `trained` items by the batch's seed. A user who has met nearly
    everything may be shown an item met after all: after some redraws it stays.
    """

    def __init__(self, users: Tensor, items: Tensor, seen: Seen, trained: int, negatives: int) -> None:
        self.users, self.items, self.trained, self.negatives = users, items, trained, negatives
        self.keys, self.step = seen.keys(), seen.total + 1

    def __len__(self) -> int:
        return len(self.users)

    def fingerprint(self) -> str:
        return _digest(self.users, self.items, self.keys)

    def take(
        self, rows: Tensor, device: torch.device, seed: int | None = None
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Items [B, 1 + negatives], the one that was met first; the targets [B] are that place, 0."""
        users, items = self.users[rows], self.items[rows].unsqueeze(1)
        generator = torch.Generator().manual_seed(seed or 0)
        drawn = torch.randint(1, self.trained + 1, (len(rows), self.negatives), generator=generator)
        base = users.unsqueeze(1) * self.step
        for _ in range(REDRAWS):
            met = self._has(base + drawn)
            if not bool(met.any()):
                break
            again = torch.randint(1, self.trained + 1, (int(met.sum()),), generator=generator)
            drawn[met] = again
        inputs = {"users": users.to(device), "items": torch.cat([items, drawn], 1).to(device)}
        return inputs, torch.zeros(len(rows), dtype=torch.long, device=device)

    def _has(self, wanted: Tensor) -> Tensor:
        place = torch.searchsorted(self.keys, wanted).clamp_max(len(self.keys) - 1)
        return self.keys[place] == wanted


class HeldOut:
    """Users with the items they met later: a row a user. `relevant`: what they had not met in training.

    `missed` counts those of a user's items that no model of this catalogue could recommend.
    """

    def __init__(
        self, ids: tuple[np.ndarray, np.ndarray], users: np.ndarray, items: np.ndarray, seen: Seen
    ) -> None:
        """`ids`: of users and of items, [n] each; `users`, `items` [n]: their places, 0 for unknown ones."""
        names, strangers = ids
        self.seen = seen
        met = [set(seen.items[a:b].tolist()) for a, b in zip(seen.starts[:-1], seen.starts[1:], strict=True)]
        wanted: dict[str, tuple[int, set[int], set[str]]] = {}
        for name, user, item, stranger in zip(names, users.tolist(), items.tolist(), strangers, strict=True):
            row = wanted.setdefault(name, (user, set(), set()))
            if item == 0:
                row[2].add(stranger)
            elif item not in met[user]:
                row[1].add(item)
        rows = [row for row in wanted.values() if row[1] or row[2]]
        self.users = torch.tensor([row[0] for row in rows], dtype=torch.long)
        self.relevant = [sorted(row[1]) for row in rows]
        self.missed = torch.tensor([len(row[2]) for row in rows], dtype=torch.long)

    def __len__(self) -> int:
        return len(self.users)

    def fingerprint(self) -> str:
        return _digest(self.users, torch.tensor([item for row in self.relevant for item in row]))

    def take(
        self, rows: Tensor, device: torch.device, seed: int | None = None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Inputs `users` [B]; targets `relevant` and `seen`, bool [B, total], and `missed` [B]."""
        users = self.users[rows]
        relevant = torch.zeros(len(rows), self.seen.total, dtype=torch.bool)
        for place, row in enumerate(rows.tolist()):
            relevant[place, torch.tensor(self.relevant[row], dtype=torch.long) - 1] = True
        targets = {"relevant": relevant, "seen": self.seen.mask(users), "missed": self.missed[rows]}
        return {"users": users.to(device)}, {name: item.to(device) for name, item in targets.items()}


def _digest(*parts: Tensor) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.numpy().tobytes())
    return digest.hexdigest()
