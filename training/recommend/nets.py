"""Two towers, and neural collaborative filtering: a vector and a bias for every user and item.

Biases and the dot product after Koren, Bell & Volinsky, "Matrix Factorization Techniques for Recommender
Systems" (2009); `neural-cf` is NeuMF of He et al., "Neural Collaborative Filtering" (2017), its two parts
learned together from random weights. Features of a user or an item go through an MLP and are added to its
vector and bias. Some ids are hidden while learning (Volkovs et al., "DropoutNet", 2017), which teaches the
vector at place 0: that of whoever is not known.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from training.recommend.sides import Side
from training.tabular.embeddings import Categories

KINDS = ("two-tower", "neural-cf")
HEAD = "head"
HIDDEN_IDS = 0.02
CATEGORY_WIDTH = 8
FEATURE_WIDTH = 64
SPREAD = 0.05


@dataclass(frozen=True)
class SideConfig:
    """`trained` vectors of their own, `total` known ids, `numbers` and `sizes` of their features."""

    trained: int
    total: int
    numbers: int
    sizes: tuple[int, ...]

    @staticmethod
    def of(side: Side) -> SideConfig:
        return SideConfig(side.trained, len(side.ids), side.numbers.shape[1], side.sizes)


@dataclass(frozen=True)
class NetConfig:
    """`seen`: how many pairs of the training rows the net keeps, never to be recommended again."""

    kind: str
    users: SideConfig
    items: SideConfig
    seen: int
    width: int = 32
    depth: int = 2
    dropout: float = 0.1

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Tower(nn.Module):
    """int64 places [...] to vectors [..., outputs]."""

    def __init__(self, config: SideConfig, outputs: int) -> None:
        super().__init__()
        self.trained = config.trained
        start = torch.randn(config.trained + 1, outputs) * SPREAD
        start[0] = 0.0
        start[:, -1] = 0.0
        self.table = nn.Parameter(start)
        self.register_buffer("numbers", torch.zeros(config.total + 1, config.numbers))
        self.register_buffer("places", torch.zeros(config.total + 1, len(config.sizes), dtype=torch.long))
        self.categories = Categories(config.sizes, CATEGORY_WIDTH) if config.sizes else None
        width = config.numbers + len(config.sizes) * CATEGORY_WIDTH
        self.features: nn.Module | None = None
        if width:
            out = nn.Linear(FEATURE_WIDTH, outputs)
            nn.init.normal_(out.weight, std=0.01)
            nn.init.zeros_(out.bias)
            self.features = nn.Sequential(nn.Linear(width, FEATURE_WIDTH), nn.ReLU(), out)

    def forward(self, places: Tensor) -> Tensor:
        own = torch.where(places <= self.trained, places, 0)
        if self.training:
            own = torch.where(torch.rand(own.shape, device=own.device) < HIDDEN_IDS, 0, own)
        found = self.table[own]
        if self.features is not None:
            parts = [self.get_buffer("numbers")[places]]
            if self.categories is not None:
                rows = self.get_buffer("places")[places].flatten(0, -2)
                parts.append(self.categories(rows).reshape(*places.shape, -1))
            found = found + self.features(torch.cat(parts, -1))
        return found


class Recommender(nn.Module):
    """Inputs: `users` [B] and `items` [B, n], places from 1; scores [B, n]. Without `items`: of every known
    item, [B, total], item 1 first.
    """

    def __init__(self, config: NetConfig, outputs: int) -> None:
        super().__init__()
        self.users, self.items = Tower(config.users, outputs), Tower(config.items, outputs)
        self.total = config.items.total
        self.drop = nn.Dropout(config.dropout)
        # Rows of training as a CSR table of items by user.
        self.register_buffer("seen_starts", torch.zeros(config.users.total + 2, dtype=torch.long))
        self.register_buffer("seen_items", torch.zeros(config.seen, dtype=torch.long))

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        users = self.users(inputs["users"])
        if "items" in inputs:
            return self.pairs(users.unsqueeze(1), self.items(inputs["items"]))
        return self.every(users)

    def every(self, users: Tensor) -> Tensor:
        """Scores [B, total] of every known item for vectors of users [B, outputs]."""
        return self.cross(users, self.items(torch.arange(1, self.total + 1, device=users.device)))

    def pairs(self, users: Tensor, items: Tensor) -> Tensor:
        """Vectors [B, 1, outputs] and [B, n, outputs] to scores [B, n]."""
        raise NotImplementedError

    def cross(self, users: Tensor, items: Tensor) -> Tensor:
        """Vectors [B, outputs] and [I, outputs] to scores [B, I]."""
        raise NotImplementedError


class Mean(nn.Module):
    """What is expected of nobody in particular: the training mean of ratings to begin with."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(1))

    def forward(self, scores: Tensor) -> Tensor:
        return scores + self.mean


class TwoTower(Recommender):
    """mean + bias of the user + bias of the item + dot product of their vectors."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__(config, config.width + 1)
        self.head = Mean()

    def pairs(self, users: Tensor, items: Tensor) -> Tensor:
        met = (self.drop(users[..., :-1]) * items[..., :-1]).sum(-1)
        found: Tensor = self.head(met + users[..., -1] + items[..., -1])
        return found

    def cross(self, users: Tensor, items: Tensor) -> Tensor:
        met = self.drop(users[:, :-1]) @ items[:, :-1].T
        found: Tensor = self.head(met + users[:, -1:] + items[:, -1])
        return found


class NeuMFHead(nn.Module):
    """The last layer of NeuMF: product and MLP side by side, then one weight each; the mean beside them."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.product = nn.Linear(width, 1, bias=False)
        self.mlp = nn.Linear(hidden, 1, bias=False)
        self.mean = nn.Parameter(torch.zeros(1))
        nn.init.ones_(self.product.weight)

    def forward(self, product: Tensor, hidden: Tensor) -> Tensor:
        found: Tensor = self.product(product).squeeze(-1) + self.mlp(hidden).squeeze(-1) + self.mean
        return found


class NeuralCF(Recommender):
    """Vectors of their own for the product and for the MLP; layers halve in width, as in the paper."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__(config, 2 * config.width + 1)
        self.width = config.width
        widths = [max(2 * config.width >> step, 4) for step in range(config.depth + 1)]
        layers = [
            nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.Dropout(config.dropout)) for a, b in pairwise(widths)
        ]
        self.layers = nn.Sequential(*layers)
        self.head = NeuMFHead(config.width, widths[-1])

    def pairs(self, users: Tensor, items: Tensor) -> Tensor:
        width = self.width
        product = self.drop(users[..., :width]) * items[..., :width]
        both = torch.broadcast_tensors(users[..., width:-1], items[..., width:-1])
        found: Tensor = self.head(product, self.layers(torch.cat(both, -1)))
        return found + users[..., -1] + items[..., -1]

    def cross(self, users: Tensor, items: Tensor) -> Tensor:
        return self.pairs(users.unsqueeze(1), items.unsqueeze(0))


def build(config: NetConfig, *, seed: int) -> TwoTower | NeuralCF:
    """The net with the weights that `seed` draws; nothing else is drawn from or moved."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TwoTower(config) if config.kind == "two-tower" else NeuralCF(config)


@torch.no_grad()
def fill(net: TwoTower | NeuralCF, users: Side, items: Side, mean: float) -> None:
    """Put features and the mean rating in their places."""
    for tower, side in ((net.users, users), (net.items, items)):
        tower.get_buffer("numbers").copy_(side.numbers)
        tower.get_buffer("places").copy_(side.places)
    net.head.mean.fill_(mean)


def stages(net: nn.Module) -> list[list[str]]:
    """Parameter names below the head: the towers, then the layers above them if any."""
    names = [name for name, _ in net.named_parameters() if not name.startswith(f"{HEAD}.")]
    towers = [name for name in names if name.startswith(("users.", "items."))]
    above = [name for name in names if name not in set(towers)]
    return [stage for stage in (towers, above) if stage]
