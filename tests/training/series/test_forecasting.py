from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.series.world import (
    fracast_recipe,
    lines,
    recipe,
    wave,
    write_csv,
    write_fracast,
    write_waves,
)
from tests.training.world import Listener
from training.errors import Interrupted, UserError
from training.finetune import FinetuneResult, finetune
from training.recipe import Recipe
from training.reporting import SilentReporter
from training.series.forecast import forecast
from training.series.published import load_forecaster
from training.tasks import task_kind


@pytest.fixture(scope="module")
def waves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_waves(tmp_path_factory.mktemp("waves"))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fracast(tmp_path_factory.mktemp("fracast"))


def learn(asked: Recipe, data: Path, work: Path, base: Path | None = None, **options: Any) -> FinetuneResult:
    reporter = options.pop("reporter", SilentReporter())
    return finetune(asked, base_dir=base, data_dir=data, work_dir=work, reporter=reporter, **options)


def measure(model_dir: Path, data: Path, asked: Recipe) -> dict[str, Any]:
    kind = task_kind(asked.task)
    return kind.evaluate(model_dir, data, "test", recipe=asked, reporter=SilentReporter()).as_dict()


def refusal(asked: Recipe, data: Path, work: Path, base: Path | None = None) -> UserError:
    with pytest.raises(UserError) as caught:
        learn(asked, data, work, base)
    assert not (work / "model").exists()
    return caught.value


@pytest.mark.parametrize("kind", ["nlinear", "dlinear", "patchtst"])
def test_a_net_from_scratch_learns_the_wave(waves: Path, tmp_path: Path, kind: str) -> None:
    asked = recipe(kind, optim={"epochs": 6, "lr": 2e-2})
    result = learn(asked, waves, tmp_path)
    assert result.history[-1]["val/mase"] < 0.8 * result.history[0]["val/mase"]
    found = measure(result.model_dir, waves, asked)
    assert found["metric"] == "mase"
    assert found["lo"] < found["value"] < found["hi"] < 2.0
    assert [row["step"] for row in found["by_step"]] == [1, 2, 3, 4, 5, 6]
    assert found["mae"] == pytest.approx(np.mean([row["mae"] for row in found["by_step"]]))
    json.dumps(found)


@pytest.mark.parametrize("loss", ["mse", "mae", "huber"])
def test_point_losses_give_one_forecast(waves: Path, tmp_path: Path, loss: str) -> None:
    asked = recipe(loss={"kind": loss})
    result = learn(asked, waves, tmp_path)
    found = measure(result.model_dir, waves, asked)
    assert "wql" not in found
    assert "coverage" not in found
    net, about = load_forecaster(result.model_dir)
    answer = forecast(net, about, json.dumps({"history": wave(48).tolist()}))
    assert len(answer["forecast"]) == 6
    assert "quantiles" not in answer


@pytest.mark.parametrize("strategy", ["head", "last-stages", "full"])
def test_fracast_is_fine_tuned_by_every_strategy(
    waves: Path, base: Path, tmp_path: Path, strategy: str
) -> None:
    asked = fracast_recipe(strategy={"kind": strategy}, optim={"lr": 3e-3, "epochs": 4})
    result = learn(asked, waves, tmp_path, base)
    assert result.history[-1]["train/loss"] < 0.9 * result.history[0]["train/loss"]
    before, after = load(base), load(result.model_dir)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    body = {name for name in moved if name.startswith("core.")}
    assert any(name.startswith("head.") for name in moved)
    assert bool(body) == (strategy != "head")
    assert ("core.in_proj.weight" in body) == (strategy == "full")
    config = json.loads((result.model_dir / "config.json").read_text())
    assert config["model"]["family"] == "fracast"
    assert config["library_name"] == "fracast"
    compile(task_kind(asked.task).usage("me/waves", config), "usage", "exec")


def load(folder: Path) -> dict[str, torch.Tensor]:
    from training.weights import load_weights

    return load_weights(folder / "model.safetensors")


def test_cached_features_give_what_the_whole_net_gives(waves: Path, base: Path, tmp_path: Path) -> None:
    asked = fracast_recipe(strategy={"kind": "head"}, optim={"lr": 3e-3})
    result = learn(asked, waves, tmp_path / "a", base)
    again = learn(asked, waves, tmp_path / "b", base, cache_dir=tmp_path / "a" / "features")
    assert again.history == result.history
    found = task_kind(asked.task).evaluate(
        result.model_dir, waves, "validation", recipe=asked, reporter=SilentReporter()
    )
    assert found.value == pytest.approx(result.metrics["val/mase"], rel=1e-5)


@pytest.mark.parametrize("kind", ["nlinear", "patchtst"])
def test_what_is_published_loads_back_and_can_be_fine_tuned(waves: Path, tmp_path: Path, kind: str) -> None:
    asked = recipe(kind)
    result = learn(asked, waves, tmp_path / "a")
    found = task_kind(asked.task).evaluate(
        result.model_dir, waves, "validation", recipe=asked, reporter=SilentReporter()
    )
    assert found.value == pytest.approx(result.metrics["val/mase"], rel=1e-5)
    again = recipe(base_model={"repo": "base"}, optim={"epochs": 1})
    more = learn(again, waves, tmp_path / "b", result.model_dir)
    assert more.metrics["val/mase"] < result.history[0]["val/mase"]


@pytest.mark.parametrize(("kind", "library"), [("nlinear", "tuneyard"), ("patchtst", "transformers")])
def test_a_card_says_how_to_load_what_is_published(
    waves: Path, tmp_path: Path, kind: str, library: str
) -> None:
    result = learn(recipe(kind, optim={"epochs": 1}), waves, tmp_path)
    config = json.loads((result.model_dir / "config.json").read_text())
    assert config["library_name"] == library
    usage = task_kind("time-series-forecasting").usage("me/waves", config)
    compile(usage, "usage", "exec")
    assert "me/waves" in usage


def test_patchtst_loads_with_transformers(waves: Path, tmp_path: Path) -> None:
    from transformers import PatchTSTForPrediction

    result = learn(recipe("patchtst"), waves, tmp_path)
    stock = PatchTSTForPrediction.from_pretrained(result.model_dir).eval()
    net, about = load_forecaster(result.model_dir)
    history = wave(48, seed=5)
    answer = forecast(net, about, json.dumps({"history": history.tolist()}))
    mean, std = float(about.scaler.mean), float(about.scaler.std)
    past = torch.tensor((history - mean) / std).float().reshape(1, -1, 1)
    with torch.inference_mode():
        flat = stock(past).prediction_outputs.reshape(6, 3) * std + mean
    assert np.allclose(flat.sort(dim=1).values[:, 1].numpy(), answer["forecast"], rtol=1e-5)


def test_losses_are_pinned_and_a_resumed_run_is_the_whole_run(
    waves: Path, base: Path, tmp_path: Path
) -> None:
    asked = fracast_recipe(dataset={"max_train_windows": 24}, optim={"batch_size": 8, "lr": 1e-3})
    whole, part = Listener(), Listener(stop_at=3, ending=Interrupted())
    result = learn(asked, waves, tmp_path / "whole", base, reporter=whole, report_seconds=0.0)
    with pytest.raises(Interrupted):
        learn(asked, waves, tmp_path / "part", base, reporter=part, report_seconds=0.0)
    rest = Listener()
    resumed = learn(asked, waves, tmp_path / "part", base, reporter=rest, report_seconds=0.0)
    assert rest.losses() == whole.losses()[-len(rest.losses()) :]
    assert len(rest.losses()) == 3
    before, after = load(result.model_dir), load(resumed.model_dir)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_covariates_that_tell_the_future_are_used(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    plan = generator.integers(0, 2, 500)
    values = 10 + 5.0 * plan + 0.1 * generator.normal(size=500)
    rows = [f"{line},{flag},{flag}" for line, flag in zip(lines(values), plan, strict=True)]
    for split, part in (("train", rows[:400]), ("validation", rows[400:450]), ("test", rows[450:])):
        write_csv(tmp_path, split, part, "timestamp,value,open,seen")
    optim = {"lr": 3e-2, "epochs": 20}
    blind = recipe("nlinear", dataset={"scaling": "standard"}, optim=optim)
    told = recipe(
        "nlinear",
        dataset={"scaling": "standard", "known_columns": ["open"], "past_columns": ["seen"]},
        optim=optim,
    )
    without = learn(blind, tmp_path, tmp_path / "blind").metrics["val/mae"]
    result = learn(told, tmp_path, tmp_path / "told")
    assert result.metrics["val/mae"] < 0.5 * without
    net, about = load_forecaster(result.model_dir)
    given = {"history": values[:48].tolist(), "open": plan[:54].tolist(), "seen": plan[:48].tolist()}
    answer = forecast(net, about, json.dumps(given))["forecast"]
    assert np.abs(np.array(answer) - values[48:54]).mean() < 2.0
    with pytest.raises(UserError, match="open must hold 54 values, got 48"):
        forecast(net, about, json.dumps({**given, "open": plan[:48].tolist()}))


def test_several_series_and_targets_in_one_net(tmp_path: Path) -> None:
    for split, span in (("train", (0, 300)), ("validation", (300, 380)), ("test", (380, 480))):
        rows = []
        for name, level in (("north", 10.0), ("south", 4000.0)):
            pair = np.stack([wave(480, 1, level), wave(480, 2, level / 3)])[:, slice(*span)]
            rows += [
                f"{line},{other:.5f},{name}"
                for line, other in zip(lines(pair[0], span[0]), pair[1], strict=True)
            ]
        write_csv(tmp_path, split, rows, "timestamp,cars,lorries,road")
    columns = {"target_columns": ["cars", "lorries"], "series_column": "road"}
    asked = recipe(dataset=columns, optim={"epochs": 4, "lr": 2e-2})
    result = learn(asked, tmp_path, tmp_path / "run")
    assert measure(result.model_dir, tmp_path, asked)["mase"] < 2
    answer = task_kind(asked.task).predict(
        result.model_dir,
        json.dumps({"history": wave(60, 9, 4000.0).tolist(), "series": "south", "target": "cars"}),
    )
    assert 3000 < min(answer["forecast"]) < max(answer["forecast"]) < 5500
