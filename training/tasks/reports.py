"""The report of a task of one class a row, whatever the rows are."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from training import metrics
from training.measures import classification
from training.measures.drawings import reliability_of
from training.tasks.base import Measured

MAX_TABLE_CLASSES = 200


def class_report(outputs: Tensor, targets: np.ndarray, labels: list[str], known: int) -> Measured:
    """Logits [n, known] against class indices [n] among `labels`, whose first `known` the model tells."""
    predictions = outputs.argmax(1).numpy()
    matrix = classification.confusion_matrix(targets, predictions, len(labels))
    correct = int(np.trace(matrix))
    lo, hi = metrics.wilson(correct, len(targets))
    found = {"accuracy": correct / len(targets), "macro_f1": classification.f1(matrix)}
    tables: dict[str, Any] = {"labels": labels}
    if targets.max() < known:
        shares = outputs.double().softmax(1).numpy()
        found |= classification.summary(targets, shares)
        tables["reliability"] = reliability_of(shares, targets)
    if len(labels) <= MAX_TABLE_CLASSES:
        tables["per_class"] = classification.per_class(matrix).rows(labels)
        tables["confusion"] = matrix.tolist()
    told = targets, predictions
    return Measured(len(targets), "accuracy", found["accuracy"], lo, hi, found, tables, told=told)
