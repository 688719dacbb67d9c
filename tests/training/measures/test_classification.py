"""Each measure against scikit-learn and torchmetrics on random input, and what happens at the edges."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torchmetrics.functional.classification as tm
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from training.errors import UserError
from training.measures import classification as measure

SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Targets, probabilities with ties among the scores, and the number of classes; every class occurs."""
    generator = np.random.default_rng(seed)
    classes, rows = int(generator.integers(2, 8)), int(generator.integers(10, 120))
    targets = np.concatenate([np.arange(classes), generator.integers(0, classes, rows)])
    logits = np.round(generator.normal(size=(len(targets), classes)) * 2, int(generator.integers(0, 4)))
    logits[np.arange(len(targets)), targets] += generator.normal()
    shares = np.exp(logits)
    return targets, shares / shares.sum(axis=1, keepdims=True), classes


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_measures_of_predictions_agree_with_scikit_learn(seed: int) -> None:
    targets, shares, classes = drawn(seed)
    guess = shares.argmax(axis=1)
    matrix = measure.confusion_matrix(targets, guess, classes)
    assert (matrix == sk.confusion_matrix(targets, guess, labels=range(classes))).all()
    assert measure.accuracy(targets, guess) == pytest.approx(sk.accuracy_score(targets, guess))
    assert measure.balanced_accuracy(matrix) == pytest.approx(sk.balanced_accuracy_score(targets, guess))
    assert measure.matthews(matrix) == pytest.approx(sk.matthews_corrcoef(targets, guess), abs=1e-12)
    for average in ("macro", "weighted", "micro"):
        assert measure.f1(matrix, average) == pytest.approx(sk.f1_score(targets, guess, average=average))
    table = measure.per_class(matrix)
    ours = (table.precision, table.recall, table.f1, table.support)
    theirs = sk.precision_recall_fscore_support(targets, guess, labels=range(classes), zero_division=0)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other)


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_measures_of_probabilities_agree_with_scikit_learn(seed: int) -> None:
    targets, shares, classes = drawn(seed)
    assert measure.log_loss(targets, shares) == pytest.approx(sk.log_loss(targets, shares))
    wanted = sk.brier_score_loss(targets, shares, labels=range(classes))
    assert measure.brier_score(targets, shares) == pytest.approx(wanted)
    if classes > 2:
        wanted = sk.roc_auc_score(targets, shares, multi_class="ovr", average="macro")
        assert measure.roc_auc_macro(targets, shares) == pytest.approx(wanted)
        wanted = sk.average_precision_score(np.eye(classes)[targets], shares, average="macro")
        assert measure.average_precision_macro(targets, shares) == pytest.approx(wanted)
    ones, score = targets == 0, shares[:, 0]
    assert measure.roc_auc(ones, score) == pytest.approx(sk.roc_auc_score(ones, score))
    assert measure.average_precision(ones, score) == pytest.approx(sk.average_precision_score(ones, score))
    assert measure.brier_score(ones, score) == pytest.approx(sk.brier_score_loss(ones, score))


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_top_k_accuracy_agrees_with_scikit_learn_without_ties(seed: int) -> None:
    generator = np.random.default_rng(seed)
    targets, scores = generator.integers(0, 6, 50), generator.normal(size=(50, 6))
    for k in (1, 3, 5):
        wanted = sk.top_k_accuracy_score(targets, scores, k=k, labels=range(6))
        assert measure.top_k_accuracy(targets, scores, k) == pytest.approx(wanted)
    assert measure.top_k_accuracy(targets, scores, 6) == 1.0


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_calibration_error_agrees_with_torchmetrics(seed: int) -> None:
    generator = np.random.default_rng(seed)
    targets, shares = generator.integers(0, 4, 200), generator.dirichlet(np.full(4, 0.3), 200)
    pair = torch.tensor(shares, dtype=torch.float64), torch.tensor(targets)
    wanted = tm.multiclass_calibration_error(*pair, num_classes=4, n_bins=15)
    assert measure.calibration_error(targets, shares) == pytest.approx(float(wanted), abs=1e-6)


def test_bins_of_reliability_hold_what_they_say() -> None:
    found = measure.reliability([0.1, 0.5, 0.50001, 0.9, 1.0, 0.0], [0, 1, 0, 1, 1, 0], bins=2)
    assert found.counts.tolist() == [3, 3]
    assert found.confidence == pytest.approx([0.6 / 3, (0.50001 + 0.9 + 1) / 3])
    assert found.accuracy == pytest.approx([1 / 3, 2 / 3])
    assert found.error == pytest.approx((abs(0.6 - 1) + abs(2.40001 - 2)) / 6)
    empty = measure.reliability([0.9], [1], bins=2)
    assert math.isnan(empty.accuracy[0])
    assert empty.error == pytest.approx(0.1)


def test_ties_and_constant_scores() -> None:
    assert measure.roc_auc([0, 1, 1, 0], [5, 5, 5, 5]) == 0.5
    assert measure.average_precision([0, 1, 1, 0, 0], [5] * 5) == pytest.approx(2 / 5)
    # Of equal scores the lower class index comes first, as argmax has it.
    assert measure.top_k_accuracy([0, 1, 2], np.zeros((3, 3)), 1) == pytest.approx(1 / 3)
    assert measure.top_k_accuracy([0, 1, 2], np.zeros((3, 3)), 2) == pytest.approx(2 / 3)
    assert measure.matthews(measure.confusion_matrix([0, 1, 1], [1, 1, 1], 2)) == 0.0


def test_one_class_leaves_areas_undefined() -> None:
    assert math.isnan(measure.roc_auc([1, 1], [0.2, 0.9]))
    assert math.isnan(measure.average_precision([0, 0], [0.2, 0.9]))
    assert math.isnan(measure.roc_auc_macro([1, 1], np.eye(3)[:2]))
    found = measure.summary([1, 1], [[0.2, 0.8], [0.6, 0.4]])
    assert "roc_auc" not in found
    assert found["accuracy"] == found["balanced_accuracy"] == 0.5


def test_a_class_without_rows_is_left_out_of_means() -> None:
    targets, shares = [0, 1, 0], [[0.7, 0.2, 0.1], [0.2, 0.5, 0.3], [0.4, 0.5, 0.1]]
    assert measure.roc_auc_macro(targets, shares) == pytest.approx((1 + (0 + 1 + 0.5) / 2) / 2)
    matrix = measure.confusion_matrix(targets, [0, 1, 1], 3)
    assert measure.balanced_accuracy(matrix) == pytest.approx((0.5 + 1) / 2)
    assert measure.f1(matrix) == pytest.approx((2 / 3 + 2 / 3) / 2)


def test_a_sure_and_wrong_answer_costs_much_but_not_infinity() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert measure.log_loss([0], [[0.0, 1.0]]) == pytest.approx(-math.log(2**-52))


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_the_summary_is_json_and_says_the_same(seed: int) -> None:
    targets, shares, classes = drawn(seed)
    found = json.loads(json.dumps(measure.summary(targets, shares)))
    assert found["accuracy"] == pytest.approx(measure.top_k_accuracy(targets, shares, 1))
    assert ("top5_accuracy" in found) == (classes > 5)
    matrix = measure.confusion_matrix(targets, shares.argmax(axis=1), classes)
    rows = measure.per_class(matrix).rows([str(index) for index in range(classes)])
    assert sum(row["support"] for row in json.loads(json.dumps(rows))) == len(targets)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: measure.accuracy([], []), "no rows"),
        (lambda: measure.accuracy([0, 1], [0]), "2 and 1 targets and predictions"),
        (lambda: measure.accuracy(["a"], ["a"]), "whole numbers"),
        (lambda: measure.accuracy([0.5], [0]), "whole numbers"),
        (lambda: measure.confusion_matrix([0, 3], [0, 1], 3), "class 3 in row 2"),
        (lambda: measure.confusion_matrix([0, -1], [0, 1], 3), "class -1 in row 2"),
        (lambda: measure.f1(np.zeros((2, 2), np.int64)), "no rows"),
        (lambda: measure.log_loss([0, 1], [[0.5, 0.5], [np.nan, 1]]), "NaN or infinity .first in row 2"),
        (lambda: measure.log_loss([0, 1], [[0.5, 0.5], [0.5, 0.9]]), "row 2 .* sum to 1.4"),
        (lambda: measure.log_loss([0], [[0.5], [0.5]]), "shape 2 × 1; it must be 1 × any"),
        (lambda: measure.log_loss([2], [[0.5, 0.5]]), "class 2 in row 1"),
        (lambda: measure.log_loss([0, 1], [[0.5, 0.5], [0.5]]), "ragged"),
        (lambda: measure.roc_auc([0, 1], [0.1, np.inf]), "NaN or infinity"),
        (lambda: measure.roc_auc([0, 2], [0.1, 0.2]), "class 2 in row 2"),
        (lambda: measure.roc_auc([0, 1], ["x", "y"]), "must be numbers"),
        (lambda: measure.brier_score([0, 1], [0.5, 1.5]), "between 0 and 1"),
        (lambda: measure.summary([0], [[1.0]]), "only one class"),
    ],
)
def test_bad_input_is_told_in_a_sentence(call: Callable[[], object], said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        call()
    assert caught.value.message_id.startswith("measure:")


def test_options_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValueError, match="macro, weighted or micro"):
        measure.f1(np.eye(2, dtype=np.int64), "samples")
    with pytest.raises(ValueError, match="between 1 and the 2 classes"):
        measure.top_k_accuracy([0], [[0.5, 0.5]], 3)
    with pytest.raises(ValueError, match="bins"):
        measure.reliability([0.5], [1], bins=0)


def test_tensors_will_do_as_they_come() -> None:
    logits = torch.randn(20, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    shares, targets = logits.softmax(1), torch.arange(20) % 3
    wanted = measure.summary(targets.numpy(), shares.detach().numpy())
    assert measure.summary(targets, shares) == pytest.approx(wanted)
    half = measure.summary(targets, shares.bfloat16())
    assert half["log_loss"] == pytest.approx(wanted["log_loss"], rel=0.02)
