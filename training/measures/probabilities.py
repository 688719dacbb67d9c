"""Measures of probabilities and scores: ranking quality, proper scores, calibration.

`targets` are class indices [n], or 0 and 1 [n] where there are two classes and one score. Errors are those of
`checks`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from training.measures.checks import (
    Bools,
    Floats,
    Ints,
    binary,
    distributions,
    fractions,
    indices,
    numbers,
    same_length,
)

MAX_BINS = 1000
# Probabilities are kept this far from 0 and 1 inside logarithms, as scikit-learn does for float64.
EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Reliability:
    """Bins of equal width over the confidence: `edges` [bins + 1]; rows, mean confidence and share told right
    of each bin [bins], the latter two NaN where a bin is empty; `error` is the expected calibration error.
    """

    edges: Floats
    counts: Ints
    confidence: Floats
    accuracy: Floats
    error: float


def top_k_accuracy(targets: ArrayLike, scores: ArrayLike, k: int) -> float:
    """Share of rows whose class is among the `k` highest of `scores` [n, classes].

    Of equal scores the lower index counts as higher, as in argmax: k = 1 is the accuracy.
    """
    grades = numbers(scores, "scores", None, None)
    truth = indices(targets, "targets", grades.shape[1])
    same_length(len(truth), len(grades), "targets and scores")
    if not 1 <= k <= grades.shape[1]:
        raise ValueError(f"k must lie between 1 and the {grades.shape[1]} classes, not {k}.")
    own = np.take_along_axis(grades, truth[:, None], axis=1)
    before = np.arange(grades.shape[1]) < truth[:, None]
    ahead = (grades > own).sum(axis=1) + ((grades == own) & before).sum(axis=1)
    return float(np.mean(ahead < k))


def log_loss(targets: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean of -ln of the probability given to the truth, in nats; probabilities [n, classes]."""
    truth = indices(targets, "targets")
    shares = distributions(probabilities, len(truth))
    truth = indices(truth, "targets", shares.shape[1])
    own = np.clip(shares[np.arange(len(truth)), truth], EPSILON, 1 - EPSILON)
    return float(-np.log(own).mean())


def brier_score(targets: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean squared error of probabilities (Brier 1950): [n] for the class 1, or [n, classes] summed over the
    classes; halved where there are two, so that both ways of asking agree, as in scikit-learn.
    """
    if np.ndim(probabilities) == 1:
        share = fractions(probabilities, "probabilities", None)
        return float(np.mean((share - binary(targets, "targets", len(share))) ** 2))
    truth = indices(targets, "targets")
    shares = distributions(probabilities, len(truth))
    truth = indices(truth, "targets", shares.shape[1])
    wanted = np.arange(shares.shape[1]) == truth[:, None]
    total = float(((shares - wanted) ** 2).sum(axis=1).mean())
    return total / 2 if shares.shape[1] == 2 else total


def roc_auc(targets: ArrayLike, scores: ArrayLike) -> float:
    """Chance that a random 1 scores above a random 0, ties half (Mann-Whitney); NaN with one class only."""
    grades = numbers(scores, "scores", None)
    truth = binary(targets, "targets", len(grades))
    return _auc(truth, grades)


def roc_auc_macro(targets: ArrayLike, scores: ArrayLike) -> float:
    """Mean over the classes of each against the rest, `scores` [n, classes]; classes without rows, or with
    all of them, are left out, and NaN is what remains of nothing.
    """
    return _mean_over_classes(targets, scores, _auc)


def average_precision(targets: ArrayLike, scores: ArrayLike) -> float:
    """Σ (R_i − R_{i−1}) P_i over the distinct scores from high to low, not interpolated; NaN without a 1."""
    grades = numbers(scores, "scores", None)
    return area_of_precision(binary(targets, "targets", len(grades)), grades)


def average_precision_macro(targets: ArrayLike, scores: ArrayLike) -> float:
    """Mean over the classes that have rows of each against the rest, `scores` [n, classes]."""
    return _mean_over_classes(targets, scores, area_of_precision)


def reliability(confidence: ArrayLike, correct: ArrayLike, bins: int = 15) -> Reliability:
    """How often answers of each confidence [n] are right (`correct` [n] of 0 and 1): Guo et al. 2017, bins
    (lower, upper], L1 error weighted by rows.
    """
    sure = fractions(confidence, "confidences", None)
    right = binary(correct, "correct answers", len(sure))
    if not 1 <= bins <= MAX_BINS:
        raise ValueError(f"bins must lie between 1 and {MAX_BINS}, not {bins}.")
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, sure, side="left") - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    sums = [np.bincount(place, weights=values, minlength=bins) for values in (sure, right)]
    error = float(np.abs(sums[0] - sums[1]).sum() / len(sure))
    means = [np.divide(part, counts, out=np.full(bins, np.nan), where=counts > 0) for part in sums]
    return Reliability(edges, counts, means[0], means[1], error)


def calibration_error(targets: ArrayLike, probabilities: ArrayLike, bins: int = 15) -> float:
    """Expected calibration error of the likeliest class of `probabilities` [n, classes]."""
    truth = indices(targets, "targets")
    shares = distributions(probabilities, len(truth))
    # Rounding lets a sure answer sum to a hair above 1.
    confidence = np.minimum(shares.max(axis=1), 1)
    return reliability(confidence, shares.argmax(axis=1) == truth, bins).error


def average_ranks(values: Floats) -> Floats:
    """Ranks from 1; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[place]


def area_of_precision(truth: Bools, grades: Floats) -> float:
    """`average_precision` of checked input."""
    if not truth.any():
        return float("nan")
    order = np.argsort(-grades, kind="stable")
    hits = np.cumsum(truth[order])
    ends = np.append(np.flatnonzero(np.diff(grades[order])), len(grades) - 1)
    gained = np.diff(hits[ends], prepend=0)
    return float((gained * hits[ends] / (ends + 1)).sum() / truth.sum())


def _auc(truth: Bools, grades: Floats) -> float:
    ones = int(truth.sum())
    zeros = len(truth) - ones
    if not ones or not zeros:
        return float("nan")
    return float((average_ranks(grades)[truth].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def _mean_over_classes(targets: ArrayLike, scores: ArrayLike, one: Callable[[Bools, Floats], float]) -> float:
    grades = numbers(scores, "scores", None, None)
    truth = indices(targets, "targets", grades.shape[1])
    same_length(len(truth), len(grades), "targets and scores")
    found = [one(truth == index, grades[:, index]) for index in range(grades.shape[1])]
    known = [value for value in found if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
