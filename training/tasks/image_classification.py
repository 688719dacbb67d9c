"""One class per image: softmax cross-entropy."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training import metrics
from training.tasks.base import StepResult


class ImageClassification:
    """Label smoothing counts while learning only: validation losses of all recipes can be compared."""

    def __init__(self, labels: list[str], label_smoothing: float = 0.0) -> None:
        self.labels = labels
        self.label_smoothing = label_smoothing

    def step(self, net: nn.Module, inputs: Tensor, targets: Tensor) -> StepResult:
        logits = net(inputs)
        loss = F.cross_entropy(logits.float(), targets, label_smoothing=self.label_smoothing)
        return StepResult(loss, logits, (logits.argmax(1) == targets).sum())

    def metrics(self, logits: Tensor, targets: Tensor) -> dict[str, float]:
        predictions = logits.argmax(1).tolist()
        matrix = metrics.confusion_matrix(targets.tolist(), predictions, len(self.labels))
        return {
            "loss": float(F.cross_entropy(logits.float(), targets)),
            "accuracy": metrics.accuracy(matrix),
            "macro_f1": metrics.macro_f1(matrix),
        }

    def render(self, logits: Tensor) -> list[dict[str, Any]]:
        """`[{label, score}]`, most likely first; scores sum to 1."""
        scores = torch.softmax(logits.double(), dim=0)
        order = torch.argsort(scores, descending=True, stable=True).tolist()
        return [{"label": self.labels[index], "score": float(scores[index])} for index in order]
