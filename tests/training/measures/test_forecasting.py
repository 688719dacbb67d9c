"""Measures of forecasts, against torchmetrics, scikit-learn and numbers pinned from utilsforecast."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torchmetrics.functional as tm
from sklearn import metrics as sk

from tests.training.measures import examples
from tests.training.measures.pin import PINS
from training.errors import UserError
from training.measures import forecasting as measure


def test_mase_and_smape_are_those_of_utilsforecast() -> None:
    pinned = json.loads(PINS.read_text())["forecasts"]
    histories, targets, forecasts = examples.series(0)
    for season in (1, 4):
        found = measure.mase_of_histories(targets, forecasts, histories, season)
        assert found == pytest.approx(pinned[f"mase_{season}"], abs=1e-12)
    assert measure.smape(targets, forecasts) == pytest.approx(pinned["smape"], abs=1e-12)


def test_mase_of_the_naive_forecast_of_a_sawtooth() -> None:
    # In the history a step is 1 on average, so one that misses by 2 has a MASE of 2.
    assert measure.naive_scale([0, 1, 0, 1, 0]) == 1.0
    assert measure.mase([[1.0, 0.0]], [[3.0, -2.0]], [1.0]) == 2.0
    assert math.isnan(measure.naive_scale([0, 1, 0, 1, 0], season=2))


def test_series_without_a_scale_are_left_out() -> None:
    targets, forecasts = [[1.0], [1.0]], [[2.0], [9.0]]
    assert measure.mase(targets, forecasts, [2.0, math.nan]) == 0.5
    assert math.isnan(measure.mase(targets, forecasts, [math.nan, 0.0]))
    assert "mase" not in measure.summary(targets, forecasts, [math.nan, math.nan])


@pytest.mark.parametrize("seed", range(5))
def test_wape_and_quantile_loss_agree_with_the_references(seed: int) -> None:
    generator = np.random.default_rng(seed)
    targets = generator.normal(2, 3, (6, 5))
    quantiles = (0.1, 0.5, 0.9)
    told = targets[..., None] + generator.normal(size=(6, 5, 3))
    wanted = tm.weighted_mean_absolute_percentage_error(torch.tensor(told[..., 1]), torch.tensor(targets))
    assert measure.wape(targets, told[..., 1]) == pytest.approx(float(wanted))
    losses = [
        sk.mean_pinball_loss(targets.ravel(), told[..., index].ravel(), alpha=quantile)
        for index, quantile in enumerate(quantiles)
    ]
    wanted = 2 * np.mean(losses) / np.abs(targets).mean()
    assert measure.weighted_quantile_loss(targets, told, quantiles) == pytest.approx(wanted)
    # At the median alone it is the WAPE.
    middle = measure.weighted_quantile_loss(targets, told[..., 1:2], [0.5])
    assert middle == pytest.approx(measure.wape(targets, told[..., 1]))
    steps = [sk.mean_absolute_error(targets[:, step], told[:, step, 1]) for step in range(5)]
    assert measure.mae_by_step(targets, told[..., 1]) == pytest.approx(steps)
    found = measure.summary(targets, told[..., 1])
    assert found["mae"] == pytest.approx(np.mean(steps))
    assert found["rmse"] == pytest.approx(sk.root_mean_squared_error(targets.ravel(), told[..., 1].ravel()))


def test_targets_of_nought_have_no_relative_error() -> None:
    assert math.isnan(measure.wape([[0.0]], [[1.0]]))
    assert math.isnan(measure.weighted_quantile_loss([[0.0]], [[[1.0]]], [0.5]))
    assert set(measure.summary([[0.0]], [[1.0]])) == {"mae", "rmse", "smape"}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: measure.wape(np.zeros((0, 3)), np.zeros((0, 3))), "no rows"),
        (lambda: measure.wape([[1, math.nan]], [[1, 2]]), "targets hold NaN"),
        (lambda: measure.wape([[1, 2]], [[1]]), "forecasts have the shape 1 × 1; it must be 1 × 2"),
        (lambda: measure.naive_scale([1, 2], season=2), "history of 2 values is too short"),
        (lambda: measure.naive_scale([1, math.nan, 2]), "history hold NaN"),
        (lambda: measure.mase([[1]], [[1]], [1, 2]), "one scale for each of the 1 series"),
        (lambda: measure.mase([[1]], [[1]], ["x"]), "scales must be numbers"),
        (lambda: measure.mase_of_histories([[1]], [[1]], []), "1 and 0 series and histories"),
        (lambda: measure.weighted_quantile_loss([[1]], [[[1]]], [0.1, 0.9]), "it must be 1 × 1 × 2"),
    ],
)
def test_bad_input_is_told_in_a_sentence(call: Callable[[], object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        call()


def test_a_season_is_at_least_a_step() -> None:
    with pytest.raises(ValueError, match="season"):
        measure.naive_scale([1, 2, 3], season=0)
