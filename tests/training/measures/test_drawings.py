"""Plots out of an evaluation's plain tables, and nothing out of what is none."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from training.measures.drawings import MAX_POINTS, drawings, reliability_of, scatter_of
from training.measures.probabilities import calibration_error


def test_classes_have_a_matrix_and_a_calibration_numbers_have_their_errors() -> None:
    shares, targets = np.array([[0.9, 0.1], [0.4, 0.6], [0.8, 0.2]]), np.array([0, 1, 1])
    table = reliability_of(shares, targets)
    assert table["error"] == pytest.approx(calibration_error(targets, shares))
    classes = {"labels": ["<b>", "no"], "confusion": [[1, 0], [1, 1]], "reliability": table}
    found = drawings(json.loads(json.dumps(classes)))
    assert set(found) == {"confusion", "calibration"}
    assert "<b>" not in found["confusion"]
    numbers = drawings({"scatter": scatter_of([1.0, 2.0, 3.0], [1.5, 2.0, 2.5])})
    assert set(numbers) == {"parity", "residuals"}
    sample = drawings({"n": 5000, "scatter": scatter_of([1.0, 2.0], [1.5, 2.0])})
    assert "2 of 5,000 rows" in sample["parity"]
    for text in (found | numbers).values():
        ElementTree.fromstring(text)  # noqa: S314 (our own markup)


def test_many_rows_are_thinned_and_the_extremes_stay() -> None:
    truth = np.random.default_rng(0).normal(size=5000)
    table = scatter_of(truth, truth * 2)
    assert len(table["truth"]) == MAX_POINTS
    assert min(table["truth"]) == pytest.approx(truth.min(), rel=1e-5)
    assert max(table["truth"]) == pytest.approx(truth.max(), rel=1e-5)
    assert np.allclose(np.array(table["prediction"]), 2 * np.array(table["truth"]), rtol=1e-4)


@pytest.mark.parametrize(
    "evaluation",
    [{}, {"confusion": [[1, 2]], "labels": ["a"]}, {"confusion": "x", "labels": 3},
     {"confusion": [[1]], "labels": None}, {"scatter": []}, {"scatter": {"truth": ["x"], "prediction": [1]}},
     {"scatter": {"truth": [1.0], "prediction": [1.0, 2.0]}},
     {"scatter": {"truth": [1.0] * 9000, "prediction": [1.0] * 9000}},
     {"scatter": {"truth": [float("nan")], "prediction": [1.0]}},
     {"reliability": {"edges": [0, 1], "counts": [-1], "confidence": [0], "accuracy": [0], "error": 0}},
     {"reliability": {"edges": "ab", "counts": None}}],
)  # fmt: skip
def test_what_cannot_be_drawn_is_left_out(evaluation: dict[str, Any]) -> None:
    assert drawings(evaluation) == {}
