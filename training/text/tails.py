"""What lies behind an encoder: the part that learns on cached features, and how those are caught."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from training.text.encoders import Encoder


class Tail(nn.Module):
    """The modules behind the encoder that learn, on cached features [n, d] → logits [n, classes]."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.kind = encoder.net.config.model_type
        self.first = first_of_tail(encoder)
        names = encoder.tail[encoder.tail.index(self.first) :]
        self.parts = nn.ModuleList([encoder.net.get_submodule(name) for name in names])

    def forward(self, features: Tensor) -> Tensor:
        hidden = features
        for part in self.parts[:-1]:
            # Poolers take whole sequences and look at the first token; the others take what they get.
            takes_sequence = self.kind in {"bert", "deberta-v2"}
            hidden = part(hidden.unsqueeze(1) if takes_sequence else hidden)
            if self.kind == "albert":
                hidden = torch.tanh(hidden)
            elif self.kind == "distilbert":
                hidden = torch.relu(hidden)
        head = self.parts[-1]
        return head(hidden) if isinstance(head, nn.Linear) else head(hidden.unsqueeze(1))


def first_of_tail(encoder: Encoder) -> str:
    """The first module that learns with the head; what enters it can be computed once."""
    return next(name for name in encoder.tail if name in (*encoder.new, encoder.head))


def learner(encoder: Encoder) -> nn.Module:
    """`Tail`, or the bare linear layer where that is all of it."""
    tail = Tail(encoder)
    return tail.parts[0] if len(tail.parts) == 1 and isinstance(tail.parts[0], nn.Linear) else tail


class Logits(nn.Module):
    """The net as the loop calls it: the batch's inputs by name → logits [B, classes] or [B, T, classes]."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        logits: Tensor = self.net(**inputs).logits
        return logits


@contextmanager
def captured(encoder: Encoder) -> Iterator[Callable[[], Tensor]]:
    """While open, a forward pass of the net leaves what entered the tail: [B, d], or [B, T, d] for tokens."""
    seen: list[Tensor] = []

    def keep(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        whole = encoder.pooling == "tokens" or inputs[0].ndim == 2
        seen[:] = [inputs[0] if whole else inputs[0][:, 0]]

    handle = encoder.net.get_submodule(first_of_tail(encoder)).register_forward_pre_hook(keep)
    try:
        yield lambda: seen[0]
    finally:
        handle.remove()
