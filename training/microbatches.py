"""How many rows go through the net at once: as many as the recipe says, fewer once memory ran out."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class MicroBatches:
    """Cuts the rows of an optimizer step into micro-batches of `size`, which starts as `optim.batch_size`.

    Halving it leaves the step's rows, their order and the mean loss as they were: as many more gradients are
    added up before the update.
    """

    def __init__(self, size: int, net: nn.Module) -> None:
        self.recipe_size = self.size = size
        # Statistics over a batch need two rows; frozen norms take none.
        norms = [item for item in net.modules() if isinstance(item, nn.modules.batchnorm._BatchNorm)]
        learning = [item for norm in norms for item in norm.parameters() if item.requires_grad]
        self.smallest = 2 if learning else 1

    def split(self, rows: Tensor) -> tuple[Tensor, ...]:
        """The rows in pieces: as they come while nothing was halved, of nearly one size afterwards."""
        if self.size == self.recipe_size:
            return rows.split(self.size)
        count = math.ceil(len(rows) / self.size)
        if self.smallest > 1:
            # Never a lone row, rather one more in a piece.
            count = max(1, min(count, len(rows) // self.smallest))
        return torch.tensor_split(rows, count)

    def halve(self) -> bool:
        """Take half as many rows at once; False where there is no half."""
        if self.size // 2 < self.smallest:
            return False
        self.size //= 2
        return True
