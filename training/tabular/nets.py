"""Nets for tables: MLP with embeddings of numbers, FT-Transformer; categories are embedded in both.

Gorishniy et al., "On Embeddings for Numerical Features in Tabular Deep Learning" (NeurIPS 2022) for the
embeddings; Gorishniy et al., "Revisiting Deep Learning Models for Tabular Data" (NeurIPS 2021) for the
transformer. A net reads a pair of numbers float32 [B, d] and places int64 [B, c] (either may have no column)
and has three parts that fine-tuning knows: `embedding`, `blocks` from input to output, and the linear `head`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

KINDS = ("mlp", "mlp-piecewise", "mlp-periodic", "ft-transformer")
HEAD = "head"
Inputs = tuple[Tensor, Tensor]


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


class TabularMLP(nn.Module):
    """Embeddings, then linear, ReLU and dropout `depth` times, then the head."""

    def __init__(self, config: NetConfig, edges: Tensor | None = None) -> None:
        super().__init__()
        self.embedding = Embedding(config, edges)
        widths = [self.embedding.width, *[config.width] * config.depth]
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(before, after), nn.ReLU(), nn.Dropout(config.dropout))
            for before, after in pairwise(widths)
        )
        self.head = nn.Linear(config.width, config.outputs)

    def features(self, inputs: Inputs) -> Tensor:
        """[B, width]: what the head reads."""
        x = self.embedding(*inputs)
        for block in self.blocks:
            x = block(x)
        return x

    def forward(self, inputs: Inputs) -> Tensor:
        """[B, outputs]."""
        found: Tensor = self.head(self.features(inputs))
        return found


class Tokens(nn.Module):
    """A vector a column, and one to collect in (the last, as the paper's [CLS]): [B, d + c + 1, width]."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        bound = 1 / math.sqrt(config.width)
        self.weight = nn.Parameter(torch.empty(config.numbers, config.width).uniform_(-bound, bound))
        columns = config.numbers + len(config.sizes)
        self.bias = nn.Parameter(torch.empty(columns, config.width).uniform_(-bound, bound))
        self.collector = nn.Parameter(torch.empty(config.width).uniform_(-bound, bound))
        self.categories = Categories(config.sizes, config.width) if config.sizes else None

    def forward(self, numbers: Tensor, places: Tensor) -> Tensor:
        parts = [numbers.unsqueeze(-1) * self.weight]
        if self.categories is not None:
            parts.append(self.categories(places))
        columns = torch.cat(parts, 1) + self.bias
        return torch.cat([columns, self.collector.expand(len(columns), 1, -1)], 1)


class Block(nn.Module):
    """Pre-norm attention and ReGLU; the first block does not normalise the tokens before attending."""

    def __init__(self, config: NetConfig, *, first: bool) -> None:
        super().__init__()
        width, hidden = config.width, config.width * 4 // 3
        self.heads, self.dropout = config.heads, config.dropout
        self.before_attention = nn.Identity() if first else nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.before_feed = nn.LayerNorm(width)
        self.feed_in = nn.Linear(width, 2 * hidden)
        self.feed_out = nn.Linear(hidden, width)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, *, collect: bool) -> Tensor:
        """[B, T, width] → the same, or [B, 1, width] of the last token alone where `collect`."""
        batch, tokens, width = x.shape
        mixed = self.query_key_value(self.before_attention(x))
        query, key, value = mixed.view(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if collect:
            query, x = query[:, :, -1:], x[:, -1:]
        drop = self.dropout if self.training else 0.0
        found = F.scaled_dot_product_attention(query, key, value, dropout_p=drop)
        x = x + self.out(found.transpose(1, 2).reshape(batch, -1, width))
        value_part, gate = self.feed_in(self.before_feed(x)).chunk(2, -1)
        fed: Tensor = self.feed_out(self.drop(value_part * F.relu(gate)))
        return x + fed


class FTTransformer(nn.Module):
    """Tokens, `depth` blocks, then norm and ReLU of the collecting token, then the head."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.embedding = Tokens(config)
        self.blocks = nn.ModuleList(Block(config, first=index == 0) for index in range(config.depth))
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, config.outputs)

    def features(self, inputs: Inputs) -> Tensor:
        """[B, width]: what the head reads."""
        x = self.embedding(*inputs)
        for index, block in enumerate(self.blocks, start=1):
            x = block(x, collect=index == len(self.blocks))
        return F.relu(self.norm(x[:, -1]))

    def forward(self, inputs: Inputs) -> Tensor:
        """[B, outputs]."""
        found: Tensor = self.head(self.features(inputs))
        return found


TabularNet = TabularMLP | FTTransformer


def build(config: NetConfig, *, seed: int, edges: Tensor | None = None) -> TabularNet:
    """The net with the weights that `seed` draws; nothing else is drawn from or moved.

    `edges` float32 [numbers, bins + 1]: see `bin_edges`; None for a net whose weights are loaded next.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return FTTransformer(config) if config.kind == "ft-transformer" else TabularMLP(config, edges)


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


def stages(net: TabularNet) -> list[list[str]]:
    """Parameter names below the head, a list a stage, input to output: the embedding, then every block."""
    prefixes = ["embedding.", *(f"blocks.{index}." for index in range(len(net.blocks)))]
    names = [name for name, _ in net.named_parameters() if not name.startswith(f"{HEAD}.")]
    found = [[name for name in names if name.startswith(prefix)] for prefix in prefixes]
    # The transformer's last norm belongs to the last block.
    found[-1] += [name for name in names if name.startswith("norm.")]
    return [stage for stage in found if stage]
