"""Classification numbers from a confusion matrix, in whole counts until the last division."""

from __future__ import annotations

import math
from collections.abc import Sequence

Confusion = list[list[int]]


def confusion_matrix(targets: Sequence[int], predictions: Sequence[int], classes: int) -> Confusion:
    """`matrix[truth][prediction]` counts; both sequences hold class indices below `classes`."""
    matrix = [[0] * classes for _ in range(classes)]
    for target, prediction in zip(targets, predictions, strict=True):
        matrix[target][prediction] += 1
    return matrix


def accuracy(matrix: Confusion) -> float:
    """Share of images on the diagonal, 0 for no images."""
    total = sum(map(sum, matrix))
    return sum(row[index] for index, row in enumerate(matrix)) / total if total else 0.0


def macro_f1(matrix: Confusion) -> float:
    """Plain mean of the F1 of every class that occurs, as truth or as prediction; 0 for no images."""
    scores = []
    for index, row in enumerate(matrix):
        actual, predicted = sum(row), sum(other[index] for other in matrix)
        if actual + predicted:
            scores.append(2 * row[index] / (actual + predicted))
    return sum(scores) / len(scores) if scores else 0.0


def per_class_recall(matrix: Confusion, labels: Sequence[str]) -> dict[str, float]:
    """Share found of each class that has images."""
    rows = zip(labels, matrix, strict=True)
    return {label: row[index] / sum(row) for index, (label, row) in enumerate(rows) if sum(row)}


def wilson(successes: int, n: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """Wilson score interval for a proportion at 95 %; (0, 1) when nothing was measured."""
    if not n:
        return 0.0, 1.0
    share, square = successes / n, z * z
    center = (share + square / (2 * n)) / (1 + square / n)
    half = z * math.sqrt(share * (1 - share) / n + square / (4 * n * n)) / (1 + square / n)
    return max(0.0, center - half), min(1.0, center + half)
