"""Measures of many labels per row, against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from training.errors import UserError
from training.measures import multilabel as measure


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_measures_agree_with_scikit_learn(seed: int) -> None:
    generator = np.random.default_rng(seed)
    labels = int(generator.integers(1, 6))
    targets = generator.random((40, labels)) < 0.4
    targets[0] = True
    scores = np.round(generator.random((40, labels)), 1)
    guess = scores >= 0.5
    assert measure.subset_accuracy(targets, guess) == pytest.approx(np.mean((targets == guess).all(axis=1)))
    assert measure.hamming_loss(targets, guess) == pytest.approx(np.mean(targets != guess))
    if labels > 1:
        assert measure.subset_accuracy(targets, guess) == pytest.approx(sk.accuracy_score(targets, guess))
        assert measure.hamming_loss(targets, guess) == pytest.approx(sk.hamming_loss(targets, guess))
        for average in ("macro", "micro"):
            wanted = sk.f1_score(targets, guess, average=average, zero_division=0)
            assert measure.f1(targets, guess, average) == pytest.approx(wanted)
    wanted = sk.average_precision_score(targets, scores, average="macro")
    assert measure.mean_average_precision(targets, scores) == pytest.approx(wanted)
    found = measure.summary(targets, scores)
    assert found["micro_f1"] == pytest.approx(measure.f1(targets, guess, "micro"))


def test_labels_that_never_occur() -> None:
    targets, scores = [[1, 0], [0, 0]], [[0.9, 0.1], [0.2, 0.3]]
    assert measure.mean_average_precision(targets, scores) == 1.0
    assert measure.f1(targets, np.array(scores) > 0.5) == 0.5
    nothing = np.zeros((2, 2))
    assert math.isnan(measure.mean_average_precision(nothing, scores))
    assert measure.f1(nothing, nothing, "micro") == 0.0
    assert "mean_average_precision" not in measure.summary(nothing, scores)


@pytest.mark.parametrize(
    ("targets", "scores", "said"),
    [
        (np.zeros((0, 3)), np.zeros((0, 3)), "no rows"),
        ([[0, 1]], [[0.5, np.nan]], "NaN"),
        ([[0, 2]], [[0.5, 0.5]], "class 2"),
        ([[0, 1]], [[0.5]], "shape 1 × 1; it must be 1 × 2"),
    ],
)
def test_bad_input_is_told_in_a_sentence(targets: np.ndarray, scores: np.ndarray, said: str) -> None:
    with pytest.raises(UserError, match=said):
        measure.summary(targets, scores)
    with pytest.raises(ValueError, match="macro or micro"):
        measure.f1([[0, 1]], [[0, 1]], "weighted")
