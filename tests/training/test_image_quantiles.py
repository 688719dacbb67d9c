"""A number of a picture told by quantiles: what is learned, measured, published and refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file

from tests.training.imageworld import write_numbers
from tests.training.world import Listener, recipe
from training import model
from training.batches import normalize
from training.errors import Interrupted, UserError
from training.evaluate import outputs_on
from training.finetune import FinetuneResult, finetune
from training.imagetargets import read_numbers
from training.losses import make_loss
from training.measures import regression
from training.pixels import pixel_chunks
from training.recipe import Recipe, RecipeError
from training.reporting import SilentReporter
from training.spec import NUMBER, Scale, read_spec
from training.tasks import task_kind
from training.tasks.image_regression import ScalarTask

KIND = task_kind("image-regression")
LEVELS = (0.1, 0.5, 0.9)


def quantiles(**sections: dict[str, object]) -> Recipe:
    given: dict[str, object] = {"task": "image-regression", "optim": {"epochs": 12, "lr": 3e-3}, **sections}
    given["dataset"] = {"quantiles": list(LEVELS), **sections.get("dataset", {})}
    return recipe(**given)


def run(
    given: Recipe, base: Path, data: Path, work: Path, listener: Listener | None = None
) -> FinetuneResult:
    return finetune(
        given, base_dir=base, data_dir=data, work_dir=work, reporter=listener or Listener(), report_seconds=0
    )


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_numbers(tmp_path_factory.mktemp("numbers"))


@pytest.fixture(scope="module")
def finished(base: Path, numbers: Path, tmp_path_factory: pytest.TempPathFactory) -> FinetuneResult:
    return run(quantiles(), base, numbers, tmp_path_factory.mktemp("finished"))


def test_quantiles_are_learned_and_measured_in_the_targets_unit(
    finished: FinetuneResult, numbers: Path
) -> None:
    assert {"val/pinball", "val/coverage", "val/rmse"} <= set(finished.metrics)
    report = KIND.evaluate(finished.model_dir, numbers, "test", recipe=quantiles(), reporter=SilentReporter())
    assert report.metric == "r2"
    assert report.value > 0.6
    found = report.as_dict()
    network = model.load_network(finished.model_dir, NUMBER)
    split = read_numbers(numbers, "test", image_column="image", label_column="target")
    outputs = np.sort(outputs_on(network, split, SilentReporter()).double().numpy(), axis=1)
    losses = [regression.pinball_loss(split.values, outputs[:, i], level) for i, level in enumerate(LEVELS)]
    assert found["pinball"] == pytest.approx(np.mean(losses))
    inside = (outputs[:, 0] <= split.values) & (split.values <= outputs[:, 2])
    assert found["coverage"] == pytest.approx(inside.mean())
    # Prices lie 200,000 apart: an interval that holds them all and tells nothing would be as wide.
    assert 0 < (outputs[:, 2] - outputs[:, 0]).mean() < 150_000


def test_a_stock_library_gives_the_quantiles_in_their_own_unit(
    finished: FinetuneResult, numbers: Path
) -> None:
    config = json.loads((finished.model_dir / "config.json").read_text())
    assert (config["num_classes"], config["quantiles"]) == (3, list(LEVELS))
    assert config["label_names"] == [f"target, quantile {level}" for level in LEVELS]
    net = timm.create_model(config["architecture"], num_classes=3).eval()
    net.load_state_dict(load_file(finished.model_dir / "model.safetensors"))
    network = model.load_network(finished.model_dir, NUMBER)
    split = read_numbers(numbers, "test", image_column="image", label_column="target")
    (pixels,) = pixel_chunks(split, range(len(split)), network.spec.geometry)
    with torch.inference_mode():
        theirs = net(normalize(pixels.float() / 255, network.spec))
    torch.testing.assert_close(theirs, outputs_on(network, split, SilentReporter()), rtol=1e-5, atol=0)
    answer = KIND.predict(finished.model_dir, str(numbers / "test" / "000.png"))
    rising = sorted(theirs[0].tolist())
    assert answer["target"] == "target"
    assert list(answer["quantiles"]) == ["0.1", "0.5", "0.9"]
    assert list(answer["quantiles"].values()) == pytest.approx(rising, rel=1e-5)
    assert answer["value"] == answer["quantiles"]["0.5"]


def test_the_task_minimises_the_pinball_loss_and_measures_the_median() -> None:
    task = ScalarTask(Scale(10.0, 2.0), make_loss("quantile", levels=LEVELS), LEVELS)
    outputs, targets = torch.tensor([[-1.0, 0.5, 1.0], [0.0, 1.0, 3.0]]), torch.tensor([0.0, 2.0])
    # By hand, level q and error e: q e above the quantile, (1 - q) |e| below it.
    rows = [[0.1, 0.25, 0.1], [0.2, 0.5, 0.1]]
    assert float(task.step(torch.nn.Identity(), outputs, targets).loss) == pytest.approx(np.mean(rows))
    found = task.measure([(outputs, targets)])
    assert found["loss"] == pytest.approx((0.25 + 1) / 2)
    assert found["mae"] == pytest.approx(2 * 0.75)
    assert found["pinball"] == pytest.approx(2 * np.mean(rows))
    assert found["coverage"] == 1
    broken = outputs.clone()
    broken[0, 2] = torch.nan
    assert np.isnan(task.measure([(broken, targets)])["loss"])


def test_an_interrupted_run_ends_as_the_whole_one(base: Path, numbers: Path, tmp_path: Path) -> None:
    given = quantiles(optim={"epochs": 2}, dataset={"augment": "light", "mix": "mixup"})
    whole = run(given, base, numbers, tmp_path / "whole")
    with pytest.raises(Interrupted):
        run(given, base, numbers, tmp_path / "cut", Listener(4, Interrupted()))
    cut = run(given, base, numbers, tmp_path / "cut")
    assert cut.history == whole.history
    ours, theirs = (load_file(one.model_dir / "model.safetensors") for one in (cut, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_learning_on_keeps_the_head_of_equal_quantiles_only(
    finished: FinetuneResult, numbers: Path, tmp_path: Path
) -> None:
    begun: dict[str, object] = {"epochs": 1, "lr": 1e-7}
    on = run(quantiles(optim=begun), finished.model_dir, numbers, tmp_path / "on")
    # The statistics of batches move a little even at a rate of nothing.
    assert on.metrics["val/rmse"] < 15_000
    other = quantiles(optim=begun, dataset={"quantiles": [0.25, 0.5, 0.75]})
    anew = run(other, finished.model_dir, numbers, tmp_path / "anew")
    assert anew.metrics["val/rmse"] > 20_000
    assert read_spec(anew.model_dir).quantiles == (0.25, 0.5, 0.75)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"dataset": {"quantiles": [0.1, 0.9]}}, "dataset.quantiles must have 0.5 among them"),
        ({"dataset": {"quantiles": [0.5, 0.1]}}, "dataset.quantiles must be a list of rising numbers"),
        ({"dataset": {"quantiles": [0.5, 0.5]}}, "dataset.quantiles must be a list of rising numbers"),
        ({"dataset": {"quantiles": [0.5, 1.0]}}, "must be below 1"),
        ({"dataset": {"quantiles": ["most"]}}, "dataset.quantiles"),
        ({"loss": {"kind": "huber"}}, "loss.kind must be auto with dataset.quantiles, got 'huber'."),
    ],
)
def test_quantiles_that_cannot_be_are_told_in_one_sentence(
    sections: dict[str, dict[str, object]], message: str
) -> None:
    with pytest.raises(RecipeError, match=message.replace(".", r"\.")):
        quantiles(**sections)


def test_a_class_has_no_quantiles() -> None:
    table = {"target_column": "kind", "quantiles": [0.5]}
    scratch = {"init": "scratch", "strategy": {"kind": "full"}, "base_model": None}
    with pytest.raises(RecipeError, match=r"dataset\.quantiles must be null for the task tabular-class"):
        recipe(task="tabular-classification", dataset=table, **scratch)


@pytest.mark.parametrize("levels", [[0.1, 0.9, 0.5], [0.1, 0.2, 0.9], [0.1, 0.5], ["x", 0.5, 0.9], 0.5])
def test_a_config_whose_quantiles_do_not_fit_is_refused(
    finished: FinetuneResult, tmp_path: Path, levels: object
) -> None:
    config = json.loads((finished.model_dir / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "quantiles": levels}))
    with pytest.raises(UserError) as caught:
        read_spec(tmp_path)
    assert caught.value.message_id == "model:bad-config"
