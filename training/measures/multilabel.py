"""Measures of rows with any number of labels: 0 and 1 in `targets` and `predictions` [n, labels].

Errors are those of `checks`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from training.measures.checks import Bools, Floats, binary, defined, fractions, numbers
from training.measures.probabilities import area_of_precision


def subset_accuracy(targets: ArrayLike, predictions: ArrayLike) -> float:
    """Share of rows with every label right."""
    truth, guess = _pair(targets, predictions)
    return float((truth == guess).all(axis=1).mean())


def hamming_loss(targets: ArrayLike, predictions: ArrayLike) -> float:
    """Share of labels told wrong, over all rows and labels."""
    truth, guess = _pair(targets, predictions)
    return float((truth != guess).mean())


def per_label_f1(targets: ArrayLike, predictions: ArrayLike) -> Floats:
    """F1 of every label [labels]; 0 for one that neither occurs nor is predicted, as in scikit-learn."""
    truth, guess = _pair(targets, predictions)
    both, either = (truth & guess).sum(axis=0), truth.sum(axis=0) + guess.sum(axis=0)
    return np.divide(2 * both, either, out=np.zeros(truth.shape[1]), where=either > 0)


def f1(targets: ArrayLike, predictions: ArrayLike, average: str = "macro") -> float:
    """F1 as `macro` (plain mean over all labels) or `micro` (from pooled counts; 0 of nothing)."""
    if average == "macro":
        return float(per_label_f1(targets, predictions).mean())
    if average != "micro":
        raise ValueError(f"average must be macro or micro, not {average!r}.")
    truth, guess = _pair(targets, predictions)
    either = int(truth.sum() + guess.sum())
    return 2 * int((truth & guess).sum()) / either if either else 0.0


def mean_average_precision(targets: ArrayLike, scores: ArrayLike) -> float:
    """Mean of the average precision of the labels that occur, NaN where none does; `scores` [n, labels]."""
    truth = binary(targets, "targets", None, None)
    grades = numbers(scores, "scores", *truth.shape)
    found = [
        area_of_precision(truth[:, index], grades[:, index])
        for index in range(truth.shape[1])
        if truth[:, index].any()
    ]
    return float(np.mean(found)) if found else float("nan")


def summary(targets: ArrayLike, probabilities: ArrayLike, threshold: float = 0.5) -> dict[str, float]:
    """Every number there is for `probabilities` [n, labels], a label being told from `threshold` on; those
    that are not defined on these rows are left out.
    """
    truth = binary(targets, "targets", None, None)
    guess = fractions(probabilities, "probabilities", *truth.shape) >= threshold
    return defined(
        {
            "subset_accuracy": subset_accuracy(truth, guess),
            "hamming_loss": hamming_loss(truth, guess),
            "micro_f1": f1(truth, guess, "micro"),
            "macro_f1": f1(truth, guess),
            "mean_average_precision": mean_average_precision(truth, probabilities),
        }
    )


def _pair(targets: ArrayLike, predictions: ArrayLike) -> tuple[Bools, Bools]:
    truth = binary(targets, "targets", None, None)
    return truth, binary(predictions, "predictions", *truth.shape)
