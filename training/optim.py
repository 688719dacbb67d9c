"""Parameter groups, optimizers, and the learning rate of a step."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from training import schedules
from training.recipe import OptimSpec
from training.sharding import is_parted


def parameter_groups(
    net: nn.Module, stages: list[list[str]], optim: OptimSpec, decay: float
) -> list[dict[str, Any]]:
    """Groups with `lr_scale`: 1 for the head (the last stage), times `decay` for each stage below it.

    Norms and biases get no weight decay: shrinking them does not regularise, it only fights the data.
    """
    parameters = dict(net.named_parameters())
    groups = []
    for depth, names in enumerate(reversed(stages)):
        chosen = [parameters[name] for name in names if parameters[name].requires_grad]
        wide = [item for item in chosen if item.ndim > 1]
        flat = [item for item in chosen if item.ndim <= 1]
        for items, weight_decay in ((wide, optim.weight_decay), (flat, 0.0)):
            if items:
                groups.append({"params": items, "weight_decay": weight_decay, "lr_scale": decay**depth})
    return groups


def make_optimizer(groups: list[dict[str, Any]], optim: OptimSpec) -> torch.optim.Optimizer:
    if optim.name == "sgd":
        # Of a net in parts torch has no fused SGD.
        fused = not any(is_parted(item) for group in groups for item in group["params"])
        return torch.optim.SGD(groups, lr=optim.lr, momentum=optim.momentum, fused=fused)
    kind = torch.optim.AdamW if optim.name == "adamw" else torch.optim.Adam
    return kind(groups, lr=optim.lr, fused=True)


def lr_factor(step: int, total_steps: int, optim: OptimSpec) -> float:
    """Share of `lr` at step 0..total_steps-1, by `optim.schedule`."""
    return schedules.lr_factor(step, total_steps, optim.schedule, optim.warmup_fraction)


def momentum_at(step: int, total_steps: int, optim: OptimSpec) -> float | None:
    """Momentum (for Adam beta 1) at a step; None where it stays what the optimizer was made with."""
    if optim.schedule != "one-cycle":
        return None
    return schedules.one_cycle_momentum(step, total_steps, optim.warmup_fraction)


def set_lr(optimizer: torch.optim.Optimizer, lr: float, momentum: float | None = None) -> None:
    """Each group's share of `lr`; and `momentum`, unless None, as momentum or Adam's beta 1."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["lr_scale"]
        if momentum is not None and "betas" in group:
            group["betas"] = (momentum, group["betas"][1])
        elif momentum is not None:
            group["momentum"] = momentum
