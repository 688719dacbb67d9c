"""Running means of what the loop measures."""

from __future__ import annotations

import time
from typing import Any

from torch import Tensor

# Fewer rows than this share of the last report's make no mean of their own.
FEW = 0.5


class Meter:
    """Sums since the last report and since the epoch began, on the device until read: of losses, of hits, and
    of rows (or whatever the loss is the mean of)."""

    def __init__(self) -> None:
        self.recent: list[Any] = [0.0, 0.0, 0]
        self.epoch: list[Any] = [0.0, 0.0, 0]
        self.last: list[Any] = [0.0, 0.0, 0]
        self.read_at = time.monotonic()

    def add(self, loss_sum: Tensor, correct: Tensor, count: int | Tensor) -> None:
        for sums in (self.recent, self.epoch):
            for index, value in enumerate((loss_sum, correct, count)):
                sums[index] = sums[index] + value

    def age(self) -> float:
        return time.monotonic() - self.read_at

    def read(self) -> tuple[float, float]:
        """Mean loss and accuracy since the last report; the recent sums start anew.

        Where little came since, as at the end of an epoch, they are means of the last report's rows too: a
        mean of a few rows would stand in the curve as a spike that nothing in the learning explains.
        """
        told = [float(value) for value in self.recent]
        if told[2] < FEW * self.last[2]:
            told = [mine + before for mine, before in zip(told, self.last, strict=True)]
        self.last, self.recent = told, [0.0, 0.0, 0]
        self.rest()
        return told[0] / told[2], told[1] / told[2]

    def read_epoch(self) -> tuple[float, float]:
        """Mean loss and accuracy since the epoch began; its sums start anew."""
        loss, correct, count = (float(value) for value in self.epoch)
        self.epoch = [0.0, 0.0, 0]
        return loss / count, correct / count

    def rest(self) -> None:
        """The time until the next report begins now: what passed was not learning."""
        self.read_at = time.monotonic()

    def total(self) -> float:
        """Sum of all losses that were not read yet: no number once one of them was none."""
        return float(self.recent[0]) + float(self.epoch[0])

    def state(self) -> list[list[float]]:
        return [[float(value) for value in sums] for sums in (self.recent, self.epoch, self.last)]

    def restore(self, state: list[list[float]]) -> None:
        # Checkpoints of older releases do not tell the last report.
        self.recent, self.epoch, self.last = [*state, [0.0, 0.0, 0]][:3]
