"""What a table net is taught and judged by: numbers on their learned scale, classes by softmax."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.losses import Loss
from training.measures import classification, regression
from training.tabular.targets import NumberTarget, Target
from training.tasks.base import StepResult


class NumberTask:
    """Numbers on the scale on which they are learned; measured in the target's unit.

    Early stopping watches rmse, or that of the logarithms where the logarithm is learned.
    """

    higher_is_better = counts_hits = is_softmax = False

    def __init__(self, target: Target, loss: Loss) -> None:
        assert isinstance(target, NumberTarget)
        self.target, self.loss, self.labels = target, loss, list[str]()
        self.metric = "rmse_log" if target.log else "rmse"

    def step(self, learner: nn.Module, inputs: Any, targets: Tensor) -> StepResult:
        outputs = _in_fp32(learner, inputs, targets)
        return StepResult(self._loss(outputs, targets), outputs)

    def measure(self, pairs: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
        """loss, rmse, mae, r2 (where targets vary), and rmse_log, r2_log of a logarithm."""
        parts, goals = zip(*pairs, strict=True)
        outputs, targets = torch.cat(parts), torch.cat(goals)
        loss = float(self._loss(outputs, targets))
        if not np.isfinite(loss):
            return {"loss": loss, self.metric: loss}
        truth, guess = self.target.restore(targets), self.target.restore(self.target.point(outputs))
        return {"loss": loss, **number_measures(self.target, truth, guess)}

    def _loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return self.loss(outputs if self.target.quantiles else outputs[:, 0], targets)


class ClassTask:
    """Label smoothing counts while learning only: validation losses of all recipes can be compared."""

    metric, higher_is_better = "accuracy", True
    counts_hits = is_softmax = True

    def __init__(self, labels: list[str], label_smoothing: float) -> None:
        self.labels, self.label_smoothing = labels, label_smoothing

    def step(self, learner: nn.Module, inputs: Any, targets: Tensor) -> StepResult:
        logits = _in_fp32(learner, inputs, targets)
        loss = F.cross_entropy(logits, targets, label_smoothing=self.label_smoothing)
        return StepResult(loss, logits, (logits.argmax(1) == targets).sum())

    def measure(self, pairs: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
        """loss, accuracy, macro_f1, and roc_auc where more than one class occurs."""
        parts, goals = zip(*pairs, strict=True)
        logits, targets = torch.cat(parts), torch.cat(goals)
        loss = float(F.cross_entropy(logits.float(), targets))
        matrix = classification.confusion_matrix(targets, logits.argmax(1), len(self.labels))
        found = {"loss": loss, "accuracy": float(np.trace(matrix) / len(targets))}
        found["macro_f1"] = classification.f1(matrix)
        if np.isfinite(loss):
            area = _roc_auc(targets.numpy(), logits.double().softmax(1).numpy())
            found |= {} if np.isnan(area) else {"roc_auc": area}
        return found


def number_measures(target: NumberTarget, truth: np.ndarray, guess: np.ndarray) -> dict[str, float]:
    """rmse, mae and r2 in the target's unit, rmse_log and r2_log beside them where a logarithm is learned."""
    found = {"rmse": regression.rmse(truth, guess), "mae": regression.mae(truth, guess)}
    found["r2"] = regression.r2(truth, guess)
    if target.log:
        logs = np.log(truth), np.log(guess)
        found |= {"rmse_log": regression.rmse(*logs), "r2_log": regression.r2(*logs)}
    return {name: value for name, value in found.items() if not np.isnan(value)}


def quantile_measures(target: NumberTarget, truth: np.ndarray, outputs: Tensor) -> dict[str, float]:
    """Mean pinball loss over the levels, and how often the outermost two hold the truth."""
    if not target.quantiles:
        return {}
    bounds = target.restore(outputs.sort(dim=1).values)
    pairs = zip(target.quantiles, bounds.T, strict=True)
    losses = [regression.pinball_loss(truth, guess, level) for level, guess in pairs]
    covered = regression.coverage(truth, bounds[:, 0], bounds[:, -1])
    return {"pinball": float(np.mean(losses)), "coverage": covered}


def _roc_auc(targets: np.ndarray, scores: np.ndarray) -> float:
    if scores.shape[1] == 2:
        return classification.roc_auc(targets, scores[:, 1])
    return classification.roc_auc_macro(targets, scores)


def _in_fp32(learner: nn.Module, inputs: Any, targets: Tensor) -> Tensor:
    """Nets this small gain nothing from bf16, and numbers to three digits lose much."""
    with torch.autocast(targets.device.type, enabled=False):
        found: Tensor = learner(inputs)
    return found
