"""`python -m training compare`: two models row by row, matched by name, refused where they cannot be."""

from __future__ import annotations

import numpy as np
import pytest

from training.compare import _compared, told_as_json, told_in_words
from training.errors import UserError

NAMES = ("mine", "yours")


def test_classes_are_matched_by_name_not_by_number() -> None:
    truth = np.array([0, 1] * 100)
    mine = (truth, truth)
    yours = (1 - truth, np.where(np.arange(200) < 60, truth, 1 - truth))  # the same truth, numbered otherwise
    found = _compared([(mine, ["cat", "dog"]), (yours, ["dog", "cat"])], NAMES)["accuracy"]
    assert (found.first, found.second) == (1.0, pytest.approx(0.7))
    assert found.better == "mine"
    assert "mine is better" in told_in_words({"accuracy": found})
    assert '"verdict"' in told_as_json({"accuracy": found})


def test_numbers_are_compared_by_their_errors() -> None:
    generator = np.random.default_rng(0)
    truth = generator.normal(size=300)
    near, far = (truth + generator.normal(scale=scale, size=300) for scale in (0.1, 0.5))
    found = _compared([((truth, near), []), ((truth, far), [])], NAMES)
    assert {metric: one.better for metric, one in found.items()} == dict.fromkeys(
        ("r2", "rmse", "mae"), "mine"
    )
    assert found["rmse"].difference < 0 < found["r2"].difference


def test_two_that_read_other_truths_are_refused() -> None:
    one, other = np.array([1.0, 2.0]), np.array([1.0, 3.0])
    with pytest.raises(UserError, match="read other truths from the split"):
        _compared([((one, one), []), ((other, one), [])], NAMES)
