"""Measures of one number per row, against scikit-learn and scipy."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torchmetrics.functional as tm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from training.errors import UserError
from training.measures import regression as measure


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_measures_agree_with_scikit_learn_and_scipy(seed: int) -> None:
    generator = np.random.default_rng(seed)
    rows = int(generator.integers(3, 80))
    truth = np.round(generator.normal(3, 2, rows), 1) + 1e-3 * generator.random()
    guess = np.round(truth + generator.normal(0, 1, rows), 1)
    guess[0] += 0.5
    assert measure.mae(truth, guess) == pytest.approx(sk.mean_absolute_error(truth, guess))
    assert measure.mse(truth, guess) == pytest.approx(sk.mean_squared_error(truth, guess))
    assert measure.rmse(truth, guess) == pytest.approx(sk.root_mean_squared_error(truth, guess))
    assert measure.median_absolute_error(truth, guess) == pytest.approx(
        sk.median_absolute_error(truth, guess)
    )
    for quantile in (0.1, 0.5, 0.9):
        wanted = sk.mean_pinball_loss(truth, guess, alpha=quantile)
        assert measure.pinball_loss(truth, guess, quantile) == pytest.approx(wanted)
    assert measure.mape(truth, guess) == pytest.approx(sk.mean_absolute_percentage_error(truth, guess))
    pair = torch.tensor(guess), torch.tensor(truth)
    wanted = float(tm.symmetric_mean_absolute_percentage_error(*pair))
    assert measure.smape(truth, guess) == pytest.approx(wanted)
    if np.ptp(truth) and np.ptp(guess):
        assert measure.r2(truth, guess) == pytest.approx(sk.r2_score(truth, guess))
        assert measure.pearson(truth, guess) == pytest.approx(stats.pearsonr(truth, guess)[0])
        assert measure.spearman(truth, guess) == pytest.approx(stats.spearmanr(truth, guess)[0])


def test_coverage_counts_the_bounds_and_nothing_between_crossed_ones() -> None:
    assert measure.coverage([1, 2, 3, 4], [1, 0, 4, 5], [2, 2, 5, 3]) == 0.5


def test_what_has_no_meaning_is_nan_and_left_out() -> None:
    assert math.isnan(measure.r2([2, 2, 2], [1, 2, 3]))
    assert math.isnan(measure.r2([2], [1]))
    assert math.isnan(measure.pearson([1, 2, 3], [5, 5, 5]))
    assert math.isnan(measure.spearman([1, 1], [1, 2]))
    assert math.isnan(measure.mape([0, 1], [1, 1]))
    assert measure.smape([0, 0], [0, 1]) == 1.0
    assert set(measure.summary([0, 0], [0, 1])) == {"mae", "mse", "rmse", "median_absolute_error", "smape"}
    assert measure.summary([1, 2, 4], [1, 2, 4])["r2"] == 1.0


def test_correlation_survives_extreme_scales() -> None:
    assert measure.pearson(np.array([1, 2, 3]) * 1e-200, np.array([1, 2, 3]) * 1e200) == pytest.approx(1)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: measure.mae([], []), "no rows"),
        (lambda: measure.mae([1, 2], [1]), "predictions have the shape 1; it must be 2"),
        (lambda: measure.mae([[1, 2]], [[1, 2]]), "shape 1 × 2"),
        (lambda: measure.rmse([1, math.nan], [1, 2]), "targets hold NaN or infinity .first in row 2"),
        (lambda: measure.rmse([1, 2], [1, math.inf]), "predictions hold NaN"),
        (lambda: measure.r2(["1", "2"], [1, 2]), "targets must be numbers"),
        (lambda: measure.mae([None, 2], [1, 2]), "targets must be numbers"),
        (lambda: measure.coverage([1], [0], [math.nan]), "upper bounds hold NaN"),
    ],
)
def test_bad_input_is_told_in_a_sentence(call: Callable[[], object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        call()


def test_a_quantile_lies_between_nought_and_one() -> None:
    with pytest.raises(ValueError, match="quantile"):
        measure.pinball_loss([1], [1], 1.0)
