"""What the loop needs of a task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn


@dataclass(frozen=True)
class StepResult:
    """`loss` is the mean over the batch; `output` the logits; `correct` a count on the same device."""

    loss: Tensor
    output: Tensor
    correct: Tensor


class Task(Protocol):
    labels: list[str]

    def step(self, net: nn.Module, inputs: Tensor, targets: Tensor) -> StepResult:
        """Forward pass and loss of one micro-batch; the loop does backward."""

    def metrics(self, logits: Tensor, targets: Tensor) -> dict[str, float]:
        """loss, accuracy, macro_f1 over a whole split; logits [n, classes], targets [n]."""

    def render(self, logits: Tensor) -> list[dict[str, Any]]:
        """The answer to one input for people and widgets; logits [classes]."""
