"""Batches blended with themselves: mixup (Zhang et al. 2018) and cutmix (Yun et al. 2019)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

# The usual Beta(alpha, alpha): shares near 0 or 1 for blends, any for boxes.
ALPHA = {"mixup": 0.2, "cutmix": 1.0}


@dataclass(frozen=True)
class Mixing:
    """How batches are blended: `kind` mixup or cutmix; `classes` None for targets that are numbers."""

    kind: str
    alpha: float
    classes: int | None

    def mix(self, inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Inputs and targets as `mix` blends them."""
        return mix(self.kind, inputs, targets, generator, alpha=self.alpha, classes=self.classes)


def mixing_of(kind: str, alpha: float | None, classes: int | None) -> Mixing | None:
    """What a recipe's `dataset.mix` asks for; `alpha` None is the usual one."""
    return None if kind == "none" else Mixing(kind, alpha or ALPHA[kind], classes)


def mix(
    kind: str,
    inputs: Tensor,
    targets: Tensor,
    generator: torch.Generator,
    *,
    alpha: float,
    classes: int | None,
) -> tuple[Tensor, Tensor]:
    """A batch blended with itself in another order, and targets in the same shares.

    inputs: float [B, ...], for cutmix images [B, C, H, W]. targets: classes [B], which become shares of
    `classes` [B, classes]; with `classes` None numbers [B, ...], which are blended as they are. One share,
    from Beta(alpha, alpha), one order and one box for the whole batch, all drawn from `generator` on the CPU.
    """
    goals = targets.float() if classes is None else F.one_hot(targets, classes).float()
    if kind == "none":
        return inputs, goals
    order = torch.randperm(len(inputs), generator=generator).to(inputs.device)
    share = beta_sample(alpha, generator)
    if kind == "mixup":
        return torch.lerp(inputs[order], inputs, share), torch.lerp(goals[order], goals, share)
    rows, columns = draw_box(inputs.shape[-2], inputs.shape[-1], share, generator)
    blended = inputs.clone()
    blended[..., rows, columns] = inputs[order][..., rows, columns]
    area = (rows.stop - rows.start) * (columns.stop - columns.start)
    return blended, torch.lerp(goals, goals[order], area / (inputs.shape[-2] * inputs.shape[-1]))


def beta_sample(alpha: float, generator: torch.Generator) -> float:
    """One draw from Beta(alpha, alpha); torch's own cannot be given a generator."""
    seed = int(torch.randint(2**62, (), generator=generator))
    return float(np.random.default_rng(seed).beta(alpha, alpha))


def draw_box(height: int, width: int, share: float, generator: torch.Generator) -> tuple[slice, slice]:
    """Rows and columns of a box of 1 - share of the area, its middle anywhere, cut off at the borders."""
    side = 0.5 * math.sqrt(1.0 - share)
    middle_x = int(torch.randint(width, (), generator=generator))
    middle_y = int(torch.randint(height, (), generator=generator))
    half_x, half_y = int(side * width), int(side * height)
    rows = slice(max(0, middle_y - half_y), min(height, middle_y + half_y))
    return rows, slice(max(0, middle_x - half_x), min(width, middle_x + half_x))
