"""Which stages learn when: a new head first, then what lies below it."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn


def learning_stages(epoch: int, stages: int, every: int) -> int:
    """How many of `stages` (the head is the last) learn in epoch 0, 1, …: one more after `every` epochs.

    Gradual unfreezing after Howard & Ruder 2018 (ULMFiT), who take `every` as 1.
    """
    return min(stages, 1 + epoch // every)


def epochs_to_unfreeze(stages: int, every: int) -> int:
    """In how many epochs every one of `stages` has learned for `every` epochs at least."""
    return stages * every


def unfreeze(net: nn.Module, stages: Sequence[Sequence[str]], count: int) -> None:
    """Let the last `count` of `stages` (lists of parameter names) learn, and no other parameter.

    Gradients left from before are dropped: an optimizer moves what has one, frozen or not.
    """
    names = {name for stage in stages[len(stages) - count :] for name in stage}
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(name in names)
        if name not in names:
            parameter.grad = None
