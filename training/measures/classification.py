"""Measures of one class per row: from predicted classes here, from probabilities in `probabilities`.

`targets` and `predictions` are class indices [n] below `classes`. A share with nothing below the line is 0,
as in scikit-learn. Errors are those of `checks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from training.errors import UserError
from training.measures.checks import Floats, Ints, defined, distributions, indices, same_length, some_rows
from training.measures.probabilities import (
    Reliability,
    average_precision,
    average_precision_macro,
    brier_score,
    calibration_error,
    log_loss,
    reliability,
    roc_auc,
    roc_auc_macro,
    top_k_accuracy,
)

__all__ = [
    "ClassTable",
    "Reliability",
    "accuracy",
    "average_precision",
    "average_precision_macro",
    "balanced_accuracy",
    "brier_score",
    "calibration_error",
    "confusion_matrix",
    "f1",
    "log_loss",
    "matthews",
    "per_class",
    "reliability",
    "roc_auc",
    "roc_auc_macro",
    "summary",
    "top_k_accuracy",
]


@dataclass(frozen=True)
class ClassTable:
    """One entry per class [classes]: fractions, and how many rows truly are of it (`support`)."""

    precision: Floats
    recall: Floats
    f1: Floats
    support: Ints

    def rows(self, labels: Sequence[str]) -> list[dict[str, str | float | int]]:
        """As JSON-able rows in class order."""
        same_length(len(labels), len(self.f1), "labels and classes")
        return [
            {
                "label": label,
                "precision": float(self.precision[index]),
                "recall": float(self.recall[index]),
                "f1": float(self.f1[index]),
                "support": int(self.support[index]),
            }
            for index, label in enumerate(labels)
        ]


def confusion_matrix(targets: ArrayLike, predictions: ArrayLike, classes: int) -> Ints:
    """Counts [truth, prediction]."""
    truth = indices(targets, "targets", classes)
    guess = indices(predictions, "predictions", classes)
    same_length(len(truth), len(guess), "targets and predictions")
    return np.bincount(truth * classes + guess, minlength=classes * classes).reshape(classes, classes)


def accuracy(targets: ArrayLike, predictions: ArrayLike) -> float:
    """Share of rows told right."""
    truth, guess = indices(targets, "targets"), indices(predictions, "predictions")
    same_length(len(truth), len(guess), "targets and predictions")
    return float(np.mean(truth == guess))


def per_class(matrix: Ints) -> ClassTable:
    """Precision, recall and F1 of every class of a confusion matrix."""
    hits, actual, predicted = np.diagonal(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    return ClassTable(
        _share(hits, predicted), _share(hits, actual), _share(2 * hits, actual + predicted), actual
    )


def balanced_accuracy(matrix: Ints) -> float:
    """Mean recall of the classes that have rows."""
    some_rows(int(matrix.sum()))
    table = per_class(matrix)
    return float(table.recall[table.support > 0].mean())


def f1(matrix: Ints, average: str = "macro") -> float:
    """F1 as `macro` (plain mean over the classes that occur as truth or as prediction), `weighted` (by true
    rows) or `micro` (from pooled counts: the accuracy, where every row has one class).
    """
    some_rows(int(matrix.sum()))
    table = per_class(matrix)
    if average == "macro":
        return float(table.f1[matrix.sum(axis=0) + matrix.sum(axis=1) > 0].mean())
    if average == "weighted":
        return float(np.average(table.f1, weights=table.support))
    if average == "micro":
        return float(np.trace(matrix) / matrix.sum())
    raise ValueError(f"average must be macro, weighted or micro, not {average!r}.")


def matthews(matrix: Ints) -> float:
    """Matthews correlation for any number of classes (Gorodkin 2004); 0 where either side is constant."""
    some_rows(int(matrix.sum()))
    counts = matrix.astype(np.float64)
    actual, predicted, total = counts.sum(axis=1), counts.sum(axis=0), counts.sum()
    covariance = np.trace(counts) * total - actual @ predicted
    spread = (total**2 - predicted @ predicted) * (total**2 - actual @ actual)
    return float(covariance / np.sqrt(spread)) if spread > 0 else 0.0


def summary(targets: ArrayLike, probabilities: ArrayLike) -> dict[str, float]:
    """Every number there is for `probabilities` [n, classes], predictions being their argmax; those that are
    not defined on these rows are left out.
    """
    truth = indices(targets, "targets")
    shares = distributions(probabilities, len(truth))
    classes = shares.shape[1]
    if classes < 2:
        raise UserError("measure:one-class", "There is only one class, so there is nothing to tell apart.")
    matrix = confusion_matrix(truth, shares.argmax(axis=1), classes)
    found = {
        "accuracy": float(np.trace(matrix) / len(truth)),
        "balanced_accuracy": balanced_accuracy(matrix),
        "macro_f1": f1(matrix),
        "weighted_f1": f1(matrix, "weighted"),
        "matthews": matthews(matrix),
        "log_loss": log_loss(truth, shares),
        "brier": brier_score(truth, shares),
        "calibration_error": calibration_error(truth, shares),
    }
    if classes > 5:
        found["top5_accuracy"] = top_k_accuracy(truth, shares, 5)
    if classes == 2:
        found["roc_auc"] = roc_auc(truth, shares[:, 1])
        found["average_precision"] = average_precision(truth, shares[:, 1])
    else:
        found["roc_auc"] = roc_auc_macro(truth, shares)
        found["average_precision"] = average_precision_macro(truth, shares)
    return defined(found)


def _share(part: Ints, whole: Ints) -> Floats:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
