"""LP-FT (Kumar et al. 2022): a probe of the head alone first, then all layers from that head.

A new head's first gradients are large and random; passed down at once they wear the body's features away.
"""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from training.learning import Parts
from training.recipe import EarlyStoppingSpec, ImageData, Recipe
from training.reporting import Reporter

PROBE_CHECKPOINT = "probe.safetensors"


def probe_recipe(recipe: Recipe) -> Recipe:
    """The first phase: the head alone, on features looked at once, at its own learning rate."""
    data = recipe.dataset
    if isinstance(data, ImageData):
        data = replace(data, augment="none", mix="none", mix_alpha=None)
    strategy = replace(recipe.strategy, kind="head", l2_sp=0.0)
    optim = replace(recipe.optim, lr=strategy.probe_lr, epochs=strategy.probe_epochs, ema=None)
    return replace(recipe, dataset=data, strategy=strategy, optim=optim, early_stopping=EarlyStoppingSpec())


@runtime_checkable
class OwnHead(Protocol):
    """`Parts` whose head is more than what its prefix names: a pooler that is new too."""

    head_names: list[str]


def head_state(network: Parts) -> dict[str, Tensor]:
    """A copy of the head's tensors by name, on the CPU."""
    prefix = network.head + "."
    more = set(network.head_names) if isinstance(network, OwnHead) else set()
    state = network.net.state_dict()
    return {
        name: item.detach().cpu().clone()
        for name, item in state.items()
        if name.startswith(prefix) or name in more
    }


@torch.no_grad()
def load_head(network: Parts, head: dict[str, Tensor]) -> None:
    """Put a probed head in the place of the new one. Raises KeyError if the nets are not alike."""
    state = network.net.state_dict()
    for name, tensor in head.items():
        state[name].copy_(tensor)


def continued(history: list[dict[str, float]], before: list[dict[str, float]]) -> list[dict[str, float]]:
    """The rows of the first phase, then those of the second with epochs and steps counted on."""
    if not before:
        return history
    epochs, steps = before[-1]["epoch"], before[-1]["step"]
    return before + [row | {"epoch": row["epoch"] + epochs, "step": row["step"] + steps} for row in history]


@dataclasses.dataclass
class PhaseReporter:
    """Counts the steps of one phase as part of the whole run's."""

    inner: Reporter
    before: int = 0
    after: int = 0

    def stage(self, name: str) -> None:
        self.inner.stage(name)

    def log(self, text: str) -> None:
        self.inner.log(text)

    def report(self, step: int, total_steps: int, metrics: dict[str, float]) -> None:
        self.inner.report(self.before + step, self.before + total_steps + self.after, metrics)

    def check(self) -> None:
        self.inner.check()
