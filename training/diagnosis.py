"""Why a loss stopped being a number: the data, the base, the scale of the targets, or the learning rate."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from training.errors import UserError

MAX_ROWS = 4096
PIECE = 64
# Squared, numbers of this size leave gradients that no usual learning rate stands.
LARGE = 1e3


class Rows(Protocol):
    """Training rows as the loop takes them."""

    def __len__(self) -> int: ...

    def take(self, rows: Tensor, device: torch.device, seed: int | None = None) -> tuple[Any, Any]: ...


def diverged(step: int, net: nn.Module, train: Rows, *, clipped: bool) -> UserError:
    """What to tell the user of a loss that is infinite or NaN by `step`; looks at 4,096 rows at most.

    `clipped`: gradients are clipped already.
    """
    began = f"The loss became infinite or NaN by step {step}"
    frozen = broken_weight(net)
    if frozen is not None:
        text = f"{began}: the base model's weights hold NaN or infinity in {frozen[:100]}; use another base."
        return UserError("train:bad-weights", text)
    row, largest = survey(train)
    if row is not None:
        text = f"{began}: training row {row + 1:,} of {len(train):,} holds NaN or infinity; mend or drop it."
        return UserError("train:bad-rows", text)
    if largest > LARGE:
        text = (
            f"{began}: the targets reach {largest:.3g}; bring them near 1 (a larger unit, their logarithm), "
            "or choose a smaller optim.lr."
        )
        return UserError("train:target-scale", text)
    more = "" if clipped else ", or set optim.grad_clip to 1"
    return UserError("train:diverged", f"{began}; choose a smaller optim.lr{more}.")


def broken_weight(net: nn.Module) -> str | None:
    """The first frozen parameter that holds NaN or infinity: learning cannot have put them there."""
    for name, parameter in net.named_parameters():
        if not parameter.requires_grad and not bool(torch.isfinite(parameter).all()):
            return name
    return None


def survey(train: Rows) -> tuple[int | None, float]:
    """The first row that holds NaN or infinity, and the largest target by magnitude among numbers."""
    largest = 0.0
    for rows in torch.arange(min(len(train), MAX_ROWS)).split(PIECE):
        inputs, targets = train.take(rows, torch.device("cpu"), None)
        for leaf in tree_leaves((inputs, targets)):
            bad = _broken_row(leaf, len(rows))
            if bad is not None:
                return int(rows[bad]), largest
        for leaf in tree_leaves(targets):
            if isinstance(leaf, Tensor) and leaf.is_floating_point() and leaf.numel():
                largest = max(largest, float(leaf.abs().max()))
    return None, largest


def _broken_row(leaf: object, rows: int) -> int | None:
    if not isinstance(leaf, Tensor) or not leaf.is_floating_point() or leaf.ndim == 0 or len(leaf) != rows:
        return None
    whole = torch.isfinite(leaf).reshape(rows, -1).all(dim=1)
    return None if bool(whole.all()) else int((~whole).nonzero()[0])
