"""What a column is before a net mixes it with others: embeddings of numbers and of categories.

Gorishniy et al., "On Embeddings for Numerical Features in Tabular Deep Learning" (NeurIPS 2022).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

KINDS = ("mlp", "mlp-piecewise", "mlp-periodic", "ft-transformer")


@dataclass(frozen=True)
class NetConfig:
    """Everything that shapes a net: `numbers` and `sizes` come from the encoder, the rest from the recipe.

    `width` is that of a block, `embedding` that of one column (the transformer has only one width), `bins`
    the piecewise-linear pieces, `frequencies` and `sigma` the periodic ones of a number.
    """

    kind: str
    numbers: int
    sizes: tuple[int, ...]
    outputs: int
    width: int = 256
    depth: int = 3
    heads: int = 8
    dropout: float = 0.1
    embedding: int = 16
    bins: int = 32
    frequencies: int = 24
    sigma: float = 0.1

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "sizes": list(self.sizes)}


class Linears(nn.Module):
    """A linear layer of its own for every number: [B, d, inputs] → [B, d, outputs]."""

    def __init__(self, d: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(d, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(d, 1, outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, x.transpose(0, 1), self.weight).transpose(0, 1)


class Piecewise(nn.Module):
    """Piecewise-linear encoding (section 3.2 there): [B, d] → [B, d, bins], then linear and ReLU.

    `edges` [d, bins + 1] are quantiles of the training rows; a bin of no width, where many rows are equal,
    is a step. Beyond the outermost edges nothing changes any more: no number leads out of what was seen.
    """

    def __init__(self, config: NetConfig, edges: Tensor | None) -> None:
        super().__init__()
        start = torch.linspace(-3, 3, config.bins + 1).repeat(config.numbers, 1)
        self.register_buffer("edges", start if edges is None else edges)
        self.linears = Linears(config.numbers, config.bins, config.embedding)

    def forward(self, numbers: Tensor) -> Tensor:
        edges = self.get_buffer("edges")
        low, width = edges[:, :-1], edges.diff(dim=1)
        inside = (numbers.unsqueeze(-1) - low) / width.clamp_min(1e-6)
        return F.relu(self.linears(inside.clamp(0, 1)))


class Periodic(nn.Module):
    """Periodic encoding (section 3.3 there): sine and cosine of learnt frequencies, then linear and ReLU."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        spread = torch.randn(config.numbers, config.frequencies) * config.sigma
        self.frequencies = nn.Parameter(spread.clamp(-3 * config.sigma, 3 * config.sigma))
        self.linears = Linears(config.numbers, 2 * config.frequencies, config.embedding)

    def forward(self, numbers: Tensor) -> Tensor:
        angles = 2 * math.pi * self.frequencies * numbers.unsqueeze(-1)
        return F.relu(self.linears(torch.cat([angles.sin(), angles.cos()], -1)))


class Categories(nn.Module):
    """A vector a column: int64 [B, c] → [B, c, width]. Unknown and missing are 0 first."""

    def __init__(self, sizes: Sequence[int], width: int) -> None:
        super().__init__()
        starts = torch.tensor([0, *sizes[:-1]]).cumsum(0) if sizes else torch.empty(0, dtype=torch.long)
        self.register_buffer("starts", starts, persistent=False)
        self.table = nn.Parameter(torch.randn(sum(sizes), width) / math.sqrt(width))
        with torch.no_grad():
            self.table[starts] = 0.0
            self.table[starts + 1] = 0.0

    def forward(self, places: Tensor) -> Tensor:
        return F.embedding(places + self.get_buffer("starts"), self.table)


class Embedding(nn.Module):
    """All columns to one flat vector: [B, d], [B, c] → [B, width]."""

    def __init__(self, config: NetConfig, edges: Tensor | None) -> None:
        super().__init__()
        self.numbers: nn.Module | None = None
        if config.numbers and config.kind == "mlp-piecewise":
            self.numbers = Piecewise(config, edges)
        elif config.numbers and config.kind == "mlp-periodic":
            self.numbers = Periodic(config)
        self.categories = Categories(config.sizes, config.embedding) if config.sizes else None
        per_number = 1 if self.numbers is None else config.embedding
        self.width = config.numbers * per_number + len(config.sizes) * config.embedding

    def forward(self, numbers: Tensor, places: Tensor) -> Tensor:
        parts = [numbers if self.numbers is None else self.numbers(numbers).flatten(1)]
        if self.categories is not None:
            parts.append(self.categories(places).flatten(1))
        return torch.cat(parts, 1)


def bin_edges(numbers: Tensor, bins: int) -> Tensor:
    """float32 [d, bins + 1]: quantiles of the training rows [n, d].

    Where many rows are equal, quantiles of the distinct values: else nearly all edges of a column of zeros
    and few amounts would lie on its zero.
    """
    ranks = torch.linspace(0, 1, bins + 1, dtype=torch.float64)
    edges = []
    for column in numbers.T.double():
        found, distinct = torch.quantile(column, ranks), column.unique()
        edges.append(found if len(found.unique()) == len(found) else torch.quantile(distinct, ranks))
    return torch.stack(edges).float() if edges else torch.empty(0, bins + 1)
