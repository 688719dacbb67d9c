"""Running means of what the loop measures."""

from __future__ import annotations

import time
from typing import Any

from torch import Tensor


class Meter:
    """Sums since the last report and since the epoch began, on the device until read: of losses, of hits, and
    of rows (or whatever the loss is the mean of)."""

    def __init__(self) -> None:
        self.recent: list[Any] = [0.0, 0.0, 0]
        self.epoch: list[Any] = [0.0, 0.0, 0]
        self.read_at = time.monotonic()

    def add(self, loss_sum: Tensor, correct: Tensor, count: int | Tensor) -> None:
        for sums in (self.recent, self.epoch):
            for index, value in enumerate((loss_sum, correct, count)):
                sums[index] = sums[index] + value

    def age(self) -> float:
        return time.monotonic() - self.read_at

    def read(self, whole_epoch: bool) -> tuple[float, float]:
        """Mean loss and accuracy; the recent sums start anew, and the epoch's too when they were read."""
        loss, correct, count = self.epoch if whole_epoch else self.recent
        self.recent, self.read_at = [0.0, 0.0, 0], time.monotonic()
        if whole_epoch:
            self.epoch = [0.0, 0.0, 0]
        return float(loss) / float(count), float(correct) / float(count)

    def total(self) -> float:
        """Sum of all losses that were not read yet: no number once one of them was none."""
        return float(self.recent[0]) + float(self.epoch[0])

    def state(self) -> list[list[float]]:
        return [[float(value) for value in sums] for sums in (self.recent, self.epoch)]

    def restore(self, state: list[list[float]]) -> None:
        self.recent, self.epoch = state
