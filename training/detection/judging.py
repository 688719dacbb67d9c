"""What a detector is judged by: COCO's average precision over a split, with its interval over pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from training.detection.examples import Truth
from training.measures.boxes import (
    Detections,
    MeanAveragePrecision,
    Objects,
    map_interval,
    mean_average_precision,
)
from training.measures.checks import defined
from training.reporting import Reporter
from training.tasks.base import Measured, StepResult

Answers = list[dict[str, Tensor]]


class DetectionTask:
    """The detector's own loss, the sum of its parts; outputs are `(loss [1], detections)` as `Detector` says.

    `val/loss` is the mean over pictures of the batches' losses, sampling seeded where a detector samples.
    """

    metric, higher_is_better = "map", True
    counts_hits = is_softmax = False

    def __init__(self, labels: list[str]) -> None:
        self.labels = labels

    def step(self, learner: nn.Module, inputs: Any, targets: Truth) -> StepResult:
        return StepResult(learner(inputs, learning=True), None)

    def measure(self, pairs: Iterable[tuple[tuple[Tensor, Answers], Truth]]) -> dict[str, float]:
        """loss; map, map50, map75 and recall where there are objects to find."""
        total, answers, truth = 0.0, list[dict[str, Tensor]](), list[dict[str, Tensor]]()
        for (loss, found), wanted in pairs:
            total += float(loss) * len(wanted)
            answers += found
            truth += wanted
        mean = total / max(1, len(truth))
        if not math.isfinite(mean):
            return {"loss": mean}
        return {"loss": mean, **numbers(mean_average_precision(*sides(truth, answers), len(self.labels)))}


def sides(truth: Truth, answers: Answers) -> tuple[list[Objects], list[Detections]]:
    """Objects and detections of each picture as the measures take them."""
    return (
        [Objects(one["boxes"].numpy(), one["labels"].numpy()) for one in truth],
        [
            Detections(one["boxes"].numpy(), one["labels"].numpy(), one["scores"].double().numpy())
            for one in answers
        ],
    )


def numbers(found: MeanAveragePrecision) -> dict[str, float]:
    """By name, without those that are not defined where there are no objects."""
    plain = {"map": found.ap, "map50": found.ap50, "map75": found.ap75, "recall": found.recall}
    return defined(plain)


def report(truth: Truth, answers: Answers, labels: list[str], reporter: Reporter) -> Measured:
    """mAP with its bootstrap interval over pictures, and average precision by class."""
    pair = sides(truth, answers)
    found = mean_average_precision(*pair, classes=len(labels))
    low, high = map_interval(*pair, classes=len(labels), check=reporter.check)
    by_class = {
        label: float(value)
        for label, value in zip(labels, found.per_class, strict=True)
        if not np.isnan(value)
    }
    counts = torch.cat([one["labels"] for one in truth]).bincount(minlength=len(labels)).tolist()
    tables = {"per_class_ap": by_class, "objects": dict(zip(labels, counts, strict=True))}
    return Measured(len(truth), "map", found.ap, low, high, numbers(found), tables)
