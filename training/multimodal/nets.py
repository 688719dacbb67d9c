"""Fusions of frozen features: side by side, gated, late; or one modality alone, to compare with.

`concat`: one hidden layer over all features. `gated`: a hidden layer for each modality, and for every unit of
it a softmax over modalities that says whom to believe (Arevalo et al., "Gated Multimodal Units", 2017, for
any number of them). `late`: a net for each modality, taught by itself; their logits are averaged.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from training.tabular.embeddings import Categories

MODALITIES = ("image", "text", "table")
FUSIONS = ("concat", "gated", "late")
HEAD = "head"
CATEGORY_WIDTH = 8
Inputs = dict[str, Tensor]


@dataclass(frozen=True)
class FusionConfig:
    """`vectors`: widths of the encoders' features by modality. `numbers` and `sizes` are of the columns."""

    kind: str
    vectors: dict[str, int]
    numbers: int
    sizes: tuple[int, ...]
    outputs: int
    width: int = 128
    dropout: float = 0.3

    @property
    def modalities(self) -> tuple[str, ...]:
        """What the net reads: all there is, or the one that `kind` names."""
        if self.kind in MODALITIES:
            return (self.kind,)
        present = {*self.vectors, *(["table"] if self.columns else [])}
        return tuple(name for name in MODALITIES if name in present)

    @property
    def columns(self) -> int:
        return self.numbers + len(self.sizes)

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "sizes": list(self.sizes)}


class Vector(nn.Module):
    """Features [B, width], standardised by the training rows."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("std", torch.ones(width))

    def forward(self, inputs: Tensor) -> Tensor:
        return (inputs - self.get_buffer("mean")) / self.get_buffer("std")


class Columns(nn.Module):
    """Numbers as they are encoded, categories as vectors: [B, width]."""

    def __init__(self, numbers: int, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.width = numbers + CATEGORY_WIDTH * len(sizes)
        self.categories = Categories(sizes, CATEGORY_WIDTH) if sizes else None

    def forward(self, numbers: Tensor, places: Tensor) -> Tensor:
        if self.categories is None:
            return numbers
        return torch.cat([numbers, self.categories(places).flatten(1)], 1)


class Fusion(nn.Module):
    """Everything that learns."""

    def __init__(self, config: FusionConfig) -> None:
        super().__init__()
        self.config = config
        readers: dict[str, Vector | Columns] = {}
        for name in config.modalities:
            columns = Columns(config.numbers, config.sizes) if name == "table" else None
            readers[name] = columns or Vector(config.vectors[name])
        self.readers = nn.ModuleDict(readers)
        widths = [reader.width for reader in readers.values()]
        hidden, outputs, drop = config.width, config.outputs, config.dropout
        alone = config.kind not in ("gated", "late")
        ways = [sum(widths)] if alone else widths
        bend = nn.Tanh if config.kind == "gated" else nn.ReLU
        self.hidden = nn.ModuleList(
            nn.Sequential(nn.Dropout(drop), nn.Linear(width, hidden), bend()) for width in ways
        )
        self.gate = nn.Linear(sum(widths), hidden * len(widths)) if config.kind == "gated" else None
        count = len(widths) if config.kind == "late" else 1
        self.last = nn.ModuleList(nn.Linear(hidden, outputs) for _ in range(count))
        self.drop = nn.Dropout(drop)

    def forward(self, inputs: Inputs) -> list[Tensor]:
        """Logits [B, outputs], one for each branch that is taught by itself."""
        read = [self._read(name, inputs) for name in self.readers]
        if self.config.kind == "late":
            both = zip(self.hidden, self.last, read, strict=True)
            return [last(self.drop(hidden(one))) for hidden, last, one in both]
        if self.gate is None:
            return [self.last[0](self.drop(self.hidden[0](torch.cat(read, 1))))]
        units = torch.stack([hidden(one) for hidden, one in zip(self.hidden, read, strict=True)], 1)
        shares = self.gate(torch.cat(read, 1)).view_as(units).softmax(1)
        return [self.last[0](self.drop((shares * units).sum(1)))]

    def _read(self, name: str, inputs: Inputs) -> Tensor:
        if name == "table":
            found: Tensor = self.readers[name](inputs["numbers"], inputs["places"])
        else:
            found = self.readers[name](inputs[name])
        return found


class FusionNet(nn.Module):
    """`head` is all of it: what lies below it is cached."""

    def __init__(self, config: FusionConfig) -> None:
        super().__init__()
        self.head = Fusion(config)

    def branches(self, inputs: Inputs) -> list[Tensor]:
        found: list[Tensor] = self.head(inputs)
        return found

    def forward(self, inputs: Inputs) -> Tensor:
        """Logits [B, outputs]: the branches' mean."""
        return torch.stack(self.branches(inputs)).mean(0)


def build(config: FusionConfig, *, seed: int) -> FusionNet:
    """The net with the weights that `seed` draws; nothing else is drawn from or moved."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return FusionNet(config)


@torch.no_grad()
def standardise(net: FusionNet, inputs: Inputs) -> None:
    """Put mean and spread of the training rows' features in their places."""
    for name, reader in net.head.readers.items():
        if isinstance(reader, Vector):
            reader.get_buffer("mean").copy_(inputs[name].mean(0))
            reader.get_buffer("std").copy_(inputs[name].std(0).clamp_min(1e-6))
