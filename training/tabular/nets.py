"""Nets for tables: MLP with embeddings of numbers, FT-Transformer; categories are embedded in both.

Gorishniy et al., "On Embeddings for Numerical Features in Tabular Deep Learning" (NeurIPS 2022) for the
embeddings; Gorishniy et al., "Revisiting Deep Learning Models for Tabular Data" (NeurIPS 2021) for the
transformer. A net reads a pair of numbers float32 [B, d] and places int64 [B, c] (either may have no column)
and has three parts that fine-tuning knows: `embedding`, `blocks` from input to output, and the linear `head`.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.tabular.embeddings import Categories, Embedding, NetConfig

HEAD = "head"
Inputs = tuple[Tensor, Tensor]


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


def stages(net: TabularNet) -> list[list[str]]:
    """Parameter names below the head, a list a stage, input to output: the embedding, then every block."""
    prefixes = ["embedding.", *(f"blocks.{index}." for index in range(len(net.blocks)))]
    names = [name for name, _ in net.named_parameters() if not name.startswith(f"{HEAD}.")]
    found = [[name for name in names if name.startswith(prefix)] for prefix in prefixes]
    # The transformer's last norm belongs to the last block.
    found[-1] += [name for name in names if name.startswith("norm.")]
    return [stage for stage in found if stage]
