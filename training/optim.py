"""Parameter groups, optimizers and the learning-rate schedule as arithmetic."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from training.recipe import OptimSpec


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
        return torch.optim.SGD(groups, lr=optim.lr, momentum=optim.momentum, fused=True)
    kind = torch.optim.AdamW if optim.name == "adamw" else torch.optim.Adam
    return kind(groups, lr=optim.lr, fused=True)


def lr_factor(step: int, total_steps: int, optim: OptimSpec) -> float:
    """Share of `lr` at step 0..total_steps-1: linear warm-up from above 0, then cosine to 0 or constant."""
    warmup = math.floor(optim.warmup_fraction * total_steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if optim.schedule == "constant":
        return 1.0
    return 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(1, total_steps - warmup)))


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr * group["lr_scale"]
