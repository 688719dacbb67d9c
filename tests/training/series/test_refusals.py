from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.series.test_forecasting import learn, refusal
from tests.training.series.world import (
    fracast_recipe,
    lines,
    recipe,
    wave,
    write_csv,
    write_fracast,
    write_waves,
)
from training.errors import UserError
from training.recipe import RecipeError
from training.tasks import task_kind


@pytest.fixture(scope="module")
def waves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_waves(tmp_path_factory.mktemp("waves"))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fracast(tmp_path_factory.mktemp("fracast"))


@pytest.fixture(scope="module")
def published(waves: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return learn(recipe(optim={"epochs": 1}), waves, tmp_path_factory.mktemp("run")).model_dir


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"context": 400, "horizon": 300}, "No series of the split 'train' has 400 steps of history and 300"),
        ({"horizon": 100}, "The part held out to validate is shorter than dataset.horizon, 100 steps"),
        ({"target_columns": ["volume"]}, "validation.csv has no column 'volume'"),
        ({"quantiles": [0.1, 0.9]}, "dataset.quantiles must hold 0.5"),
        ({"validation_split": "later"}, "The data set has no split 'later'"),
    ],
)
def test_a_recipe_that_does_not_fit_its_data(
    waves: Path, tmp_path: Path, data: dict[str, Any], message: str
) -> None:
    assert refusal(recipe(dataset=data), waves, tmp_path).message.startswith(message)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"context": 48}, "dataset.context must be 64 for this base, got 48"),
        ({"horizon": 7}, "This base forecasts 6 steps at most; dataset.horizon is 7."),
        (
            {"quantiles": [0.25, 0.5]},
            "This base knows the quantiles 0.1, 0.5, 0.9; dataset.quantiles names 0.25.",
        ),
        ({"past_columns": ["x"]}, "validation.csv has no column 'x'"),
        ({"known_columns": ["value"]}, "The recipe names the column 'value' twice."),
    ],
)
def test_a_recipe_that_does_not_fit_fracast(
    waves: Path, base: Path, tmp_path: Path, data: dict[str, Any], message: str
) -> None:
    assert refusal(fracast_recipe(dataset=data), waves, tmp_path, base).message.startswith(message)


def test_bases_of_another_kind_and_damaged_ones(waves: Path, base: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text('{"architecture": "resnet18"}')
    asked = recipe(base_model={"repo": "base"})
    assert refusal(asked, waves, tmp_path / "a", other).message_id == "model:wrong-kind"
    write_fracast(other)
    weights = other / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert refusal(fracast_recipe(), waves, tmp_path / "b", other).message_id == "model:bad-weights"
    weights.write_bytes(b"\x80\x04pickle" * 9)
    assert refusal(fracast_recipe(), waves, tmp_path / "c", other).message_id == "model:bad-weights"


def test_losses_and_strategies_that_mean_nothing_here() -> None:
    with pytest.raises(RecipeError, match=r"loss\.kind must be one of auto, mse, mae, huber"):
        recipe(loss={"kind": "focal"})
    with pytest.raises(RecipeError, match=r"optim\.label_smoothing must be 0"):
        recipe(optim={"label_smoothing": 0.1})
    with pytest.raises(RecipeError, match="a list of rising numbers"):
        recipe(dataset={"quantiles": [0.9, 0.5]})


def test_a_split_of_another_grid_is_refused(published: Path, tmp_path: Path) -> None:
    days = [
        f"2024-{1 + day // 28:02}-{1 + day % 28:02} {hour:02}:00,{day}"
        for day in range(100)
        for hour in (0, 12)
    ]
    del days[56:]
    write_csv(tmp_path, "test", days)
    asked = recipe()
    with pytest.raises(UserError) as caught:
        task_kind(asked.task).evaluate(published, tmp_path, "test", recipe=asked, reporter=_silent())
    text = "The model forecasts steps of 1 h, the split 'test' has steps of 12 h."
    assert caught.value.message == text


def _silent() -> Any:
    from training.reporting import SilentReporter

    return SilentReporter()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("[1, 2]", "The input must be a JSON object such as"),
        ('{"history": 7}', "history must be a list of 1 to"),
        ('{"history": [1, "x"]}', "history, value 2, must be a finite number or null, got 'x'."),
        ('{"history": [1, 2, 3]}', "history must hold at least 48 values, got 3."),
        (json.dumps({"history": [1.0] * 10 + [None] * 38}), "history has no value for more than 24 steps"),
        (json.dumps({"history": [1.0] * 48, "target": "cars"}), "target must be one of value, got 'cars'."),
        (json.dumps({"history": [1.0] * 48, "start": "noon"}), "start must be the time of the first value"),
    ],
)
def test_a_history_that_cannot_be_read(published: Path, given: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        task_kind("time-series-forecasting").predict(published, given)
    assert caught.value.message.startswith(message)


def test_a_forecast_has_times_and_rising_quantiles(published: Path, tmp_path: Path) -> None:
    history = [None if step == 40 else float(value) for step, value in enumerate(wave(60))]
    path = tmp_path / "history.json"
    path.write_text(json.dumps({"history": history, "start": "2024-01-01 00:00"}))
    answer = task_kind("time-series-forecasting").predict(published, str(path))
    assert answer["times"][0] == "2024-01-03T12:00:00"
    assert len(answer["times"]) == 6
    low, middle, high = (np.array(answer["quantiles"][level]) for level in ("0.1", "0.5", "0.9"))
    assert (low <= middle).all()
    assert (middle <= high).all()
    assert answer["forecast"] == middle.tolist()


def test_a_damaged_preprocessing_file_is_refused(published: Path, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(published, folder)
    whole = json.loads((folder / "preprocessing.json").read_text())
    for change in ({"context": 10**9}, {"scaler": {}}, {"series": ["a", "b"]}, {"shape": {"kind": 3}}):
        (folder / "preprocessing.json").write_text(json.dumps({**whole, **change}))
        with pytest.raises(UserError) as caught:
            task_kind("time-series-forecasting").predict(folder, json.dumps({"history": wave(60).tolist()}))
        assert caught.value.message_id == "model:bad-config"


def test_constant_series_are_told_before_any_step(tmp_path: Path) -> None:
    write_csv(tmp_path, "train", lines(np.full(200, 3.0)))
    write_csv(tmp_path, "validation", lines(np.full(60, 3.0), 200))
    assert refusal(recipe(), tmp_path, tmp_path / "run").message_id == "data:constant-series"
