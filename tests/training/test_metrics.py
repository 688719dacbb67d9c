from __future__ import annotations

import pytest

from training import metrics

# Truth 0 twice right, once taken for 1; truth 1 once right; truth 2 once taken for 0; class 3 unseen.
TARGETS, PREDICTIONS = [0, 0, 0, 1, 2], [0, 0, 1, 1, 0]


def test_confusion_counts_truth_by_prediction() -> None:
    matrix = metrics.confusion_matrix(TARGETS, PREDICTIONS, 4)
    assert matrix == [[2, 1, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert metrics.accuracy(matrix) == 3 / 5


def test_macro_f1_leaves_out_classes_that_never_occur() -> None:
    matrix = metrics.confusion_matrix(TARGETS, PREDICTIONS, 4)
    assert metrics.macro_f1(matrix) == pytest.approx((2 * 2 / 6 + 2 * 1 / 3 + 0) / 3)


def test_recall_is_told_for_classes_with_images() -> None:
    matrix = metrics.confusion_matrix(TARGETS, PREDICTIONS, 4)
    assert metrics.per_class_recall(matrix, ["a", "b", "c", "d"]) == {"a": 2 / 3, "b": 1.0, "c": 0.0}


def test_wilson_agrees_with_the_published_example() -> None:
    # Newcombe 1998, table I: 81 of 263, and 0 of 20.
    assert metrics.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert metrics.wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert metrics.wilson(0, 0) == (0.0, 1.0)


def test_nothing_measured_is_nought() -> None:
    assert metrics.accuracy([[0]]) == metrics.macro_f1([[0]]) == 0.0
