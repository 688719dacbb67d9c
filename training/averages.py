"""The running mean of the weights: often better than where the last steps happened to end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from training.sharding import fill

PREFIX = "ema."


class Average:
    """Exponential moving average of `live` tensors, parameters and buffers alike (Polyak & Juditsky 1992).

    After step t (0, 1, …): mean ← d mean + (1 - d) live, d = min(decay, (1 + t) / (10 + t)), so that the
    first steps do not leave the untrained weights in it for long. Tensors of whole numbers (counters) are
    copied. It holds as much memory as `live`, on the same device.
    """

    def __init__(self, live: dict[str, Tensor], decay: float) -> None:
        self.live, self.decay = live, decay
        self.mean = {name: tensor.detach().clone() for name, tensor in live.items()}
        self.averaged = [name for name, tensor in live.items() if tensor.is_floating_point()]
        self.copied = [name for name in live if name not in set(self.averaged)]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after step 0, 1, …; the decay follows from it, so nothing else is kept."""
        share = 1 - min(self.decay, (1 + step) / (10 + step))
        means = [self.mean[name] for name in self.averaged]
        torch._foreach_lerp_(means, [self.live[name].detach() for name in self.averaged], share)
        for name in self.copied:
            self.mean[name].copy_(self.live[name])

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The mean stands in the network inside the block, to be measured; the live weights afterwards."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint keeps, as `ema.<name>`."""
        return {PREFIX + name: tensor for name, tensor in self.mean.items()}

    @torch.no_grad()
    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take `state` back out of a checkpoint's tensors. Raises KeyError if one is missing."""
        for name, tensor in self.mean.items():
            fill(tensor, tensors[PREFIX + name])

    @torch.no_grad()
    def _swap(self) -> None:
        for name, tensor in self.live.items():
            kept = tensor.detach().clone()
            tensor.copy_(self.mean[name])
            self.mean[name].copy_(kept)
