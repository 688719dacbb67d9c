from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import torchvision
from safetensors.torch import load_file

from tests.training.imageworld import shade, write_numbers, write_rows
from tests.training.world import Listener, recipe, write_base
from training import model
from training.batches import normalize
from training.errors import Interrupted, UserError
from training.evaluate import outputs_on
from training.finetune import FinetuneResult, finetune
from training.imagetargets import read_numbers
from training.losses import huber
from training.pixels import pixel_chunks
from training.recipe import Recipe, RecipeError
from training.reporting import SilentReporter
from training.spec import NUMBER, Scale, read_spec
from training.tasks import task_kind
from training.tasks.image_regression import ScalarTask, scale_of

KIND = task_kind("image-regression")


def scalar(**sections: object) -> Recipe:
    given: dict[str, object] = {"task": "image-regression", "optim": {"epochs": 8}, **sections}
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
    return run(scalar(), base, numbers, tmp_path_factory.mktemp("finished"))


def test_prices_are_learned_and_told_in_their_own_unit(finished: FinetuneResult, numbers: Path) -> None:
    assert finished.metrics["val/rmse"] < 40_000
    assert finished.metrics["val/mae"] <= finished.metrics["val/rmse"]
    report = KIND.evaluate(finished.model_dir, numbers, "test", recipe=scalar(), reporter=SilentReporter())
    assert (report.metric, report.n) == ("r2", 16)
    assert report.lo < report.value < report.hi
    assert report.value > 0.6
    plain = report.as_dict()
    assert json.loads(json.dumps(plain)) == plain
    truth = read_numbers(numbers, "test", image_column="image", label_column="target").values
    # R² and RMSE say the same of one split; a mistake of units would show here.
    assert plain["rmse"] ** 2 == pytest.approx((1 - report.value) * truth.var(), rel=1e-6)
    assert plain["spearman"] > 0.8


def test_a_stock_library_gives_the_numbers_without_any_further_step(
    finished: FinetuneResult, numbers: Path
) -> None:
    """What learned is standardised; what is published is timm's own network with its own linear head."""
    config = json.loads((finished.model_dir / "config.json").read_text())
    net = timm.create_model(config["architecture"], num_classes=config["num_classes"]).eval()
    net.load_state_dict(load_file(finished.model_dir / "model.safetensors"))
    network = model.load_network(finished.model_dir, NUMBER)
    split = read_numbers(numbers, "test", image_column="image", label_column="target")
    ours = outputs_on(network, split, SilentReporter())
    (pixels,) = pixel_chunks(split, range(len(split)), network.spec.geometry)
    with torch.inference_mode():
        theirs = net(normalize(pixels.float() / 255, network.spec))
    torch.testing.assert_close(theirs, ours, rtol=1e-5, atol=0)
    assert ours.min() > 50_000
    assert config["problem_type"] == "regression"
    assert config["label_names"] == ["target"]


def test_saving_undoes_the_standardisation_exactly(base: Path, numbers: Path, tmp_path: Path) -> None:
    given: dict[str, object] = {"labels": ["price"], "image_size": None, "scratch": False, "seed": 0}
    learning = model.prepare_network(base, **given, problem=NUMBER, scale=Scale(2e5, 6e4))
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for parameter in learning.net.parameters():
        parameter.requires_grad_(parameter.ndim > 0)
    model.save_network(learning, tmp_path / "saved", base_dir=base)
    saved = model.load_network(tmp_path / "saved", NUMBER)
    learning.net.eval()
    with torch.inference_mode():
        standardised, told = learning.net(images), saved.net(images)
    torch.testing.assert_close(told, standardised * 6e4 + 2e5, rtol=1e-5, atol=0)
    assert read_spec(tmp_path / "saved").target == Scale(2e5, 6e4)
    # Learning on from it: the head is kept and standardised again, by the new data's scale.
    again = model.prepare_network(
        tmp_path / "saved",
        **given,
        problem=NUMBER,
        scale=Scale(1e5, 1e4),
    )
    again.net.eval()
    with torch.inference_mode():
        torch.testing.assert_close(again.net(images) * 1e4 + 1e5, told, rtol=1e-5, atol=0)


def test_torchvision_loads_it_too(numbers: Path, tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", "resnet18", "torchvision")
    given = scalar(strategy={"kind": "head"}, optim={"epochs": 40, "lr": 0.05}, dataset={"image_size": 32})
    result = run(given, base, numbers, tmp_path / "work")
    net = torchvision.models.get_model("resnet18", num_classes=1).eval()
    net.load_state_dict(load_file(result.model_dir / "model.safetensors"))
    answer = KIND.predict(result.model_dir, str(numbers / "test" / "000.png"))
    split = read_numbers(numbers, "test", image_column="image", label_column="target")
    spec = read_spec(result.model_dir)
    (pixels,) = pixel_chunks(split, [0], spec.geometry)
    with torch.inference_mode():
        theirs = float(net(normalize(pixels.float() / 255, spec)))
    assert answer["target"] == "target"
    assert answer["value"] == pytest.approx(theirs, rel=1e-5)
    assert 50_000 < theirs < 350_000


def test_an_interrupted_run_ends_as_the_whole_one(base: Path, numbers: Path, tmp_path: Path) -> None:
    given = scalar(optim={"epochs": 2}, dataset={"augment": "light"}, loss={"kind": "huber"})
    whole = run(given, base, numbers, tmp_path / "whole")
    with pytest.raises(Interrupted):
        run(given, base, numbers, tmp_path / "cut", Listener(4, Interrupted()))
    cut = run(given, base, numbers, tmp_path / "cut")
    assert cut.history == whole.history
    ours, theirs = (load_file(one.model_dir / "model.safetensors") for one in (cut, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_the_recipes_loss_is_what_is_minimised() -> None:
    task = ScalarTask(Scale(10.0, 2.0), huber)
    outputs, targets = torch.tensor([[0.0], [3.0]]), torch.tensor([0.5, 0.0])
    found = task.step(torch.nn.Identity(), outputs, targets)
    assert float(found.loss) == pytest.approx((0.125 + 2.5) / 2)
    measured = task.measure([(outputs, targets)])
    assert measured["loss"] == pytest.approx((0.25 + 9) / 2)
    assert measured["rmse"] == pytest.approx(2 * np.sqrt((0.25 + 9) / 2))
    assert measured["mae"] == pytest.approx(2 * 1.75)
    assert task.measure([(outputs * torch.nan, targets)]).keys() == {"loss", "rmse"}


def test_numbers_can_be_mixed(base: Path, numbers: Path, tmp_path: Path) -> None:
    listener = Listener()
    run(scalar(dataset={"mix": "mixup"}, optim={"epochs": 1}), base, numbers, tmp_path, listener)
    assert len(listener.reports) > 3


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_other_tables_give_the_same_numbers(tmp_path: Path, kind: str) -> None:
    lines = write_numbers(tmp_path / "jsonl", column="price")
    other = write_numbers(tmp_path / kind, column="price", kind=kind)
    columns = {"image_column": "image", "label_column": "price"}
    expected = read_numbers(lines, "train", **columns).values
    np.testing.assert_array_equal(read_numbers(other, "train", **columns).values, expected)


WHERE = {
    "jsonl": "for 002.png (train/metadata.jsonl, row 3)",
    "csv": "for 002.png (train/metadata.csv, row 3)",
    "parquet": "in train/part.parquet, row 3",
}


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("jsonl", "dear", "must hold numbers, got 'dear' {}."),
        ("csv", "dear", "must hold numbers, got 'dear' {}."),
        ("parquet", float("nan"), "must hold numbers, got 'nan' {}."),
        ("jsonl", float("inf"), "must hold numbers, got 'inf' {}."),
        ("jsonl", True, "must hold numbers, got 'True' {}."),
        ("jsonl", [1.0], "must hold numbers, got '[1.0]' {}."),
        ("csv", "1e300", "must hold numbers, got '1e300' {}."),
        ("csv", "", "holds nothing {}; a number is due."),
        ("parquet", None, "holds nothing {}; a number is due."),
    ],
)
def test_a_row_without_a_number_is_named(
    tmp_path: Path, base: Path, kind: str, value: object, said: str
) -> None:
    generator = np.random.default_rng(0)
    numbers: list[object] = [1.0, 2.0, 3.0, 4.0]
    if kind == "csv":
        numbers = [str(number) for number in numbers]
    numbers[2] = value
    pictures = [shade(0.5, generator) for _ in numbers]
    data = write_rows(tmp_path / "data", "train", pictures, [{"target": number} for number in numbers], kind)
    with pytest.raises(UserError) as caught:
        run(scalar(), base, data, tmp_path / "work")
    assert caught.value.message == f"The column 'target' {said.format(WHERE[kind])}"
    assert caught.value.message_id == "data:bad-number"


def test_targets_that_say_nothing_are_refused(tmp_path: Path, base: Path) -> None:
    generator = np.random.default_rng(0)
    pictures = [shade(0.5, generator) for _ in range(4)]
    data = write_rows(tmp_path / "data", "train", pictures, [{"target": 7}] * 4)
    with pytest.raises(
        UserError, match="All training images have the same 'target', 7: there is nothing"
    ) as caught:
        run(scalar(), base, data, tmp_path / "work")
    assert caught.value.message_id == "data:constant-target"
    with pytest.raises(UserError, match="differ by less than a hundred-thousandth"):
        scale_of(np.array([1e9, 1e9 + 1]), "time")


def test_a_missing_column_is_told_with_those_there_are(base: Path, numbers: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no column 'price'; its columns are: file_name, target"):
        run(scalar(dataset={"label_column": "price"}), base, numbers, tmp_path)


def test_models_of_another_kind_are_refused(
    finished: FinetuneResult, base: Path, images: Path, numbers: Path
) -> None:
    with pytest.raises(UserError, match="gives a number for an image, not one class") as caught:
        task_kind("image-classification").evaluate(
            finished.model_dir, images, "test", recipe=recipe(), reporter=SilentReporter()
        )
    assert caught.value.message_id == "model:wrong-kind"
    with pytest.raises(UserError, match="gives one class for an image, not a number"):
        KIND.predict(base, str(numbers / "test" / "000.png"))


def test_a_test_split_of_equal_numbers_has_no_r2(finished: FinetuneResult, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    pictures = [shade(level, generator) for level in (0.1, 0.5, 0.9)]
    data = write_rows(tmp_path, "test", pictures, [{"target": 2e5}] * 3)
    report = KIND.evaluate(finished.model_dir, data, "test", recipe=scalar(), reporter=SilentReporter())
    assert report.metric == "rmse"
    assert "r2" not in report.as_dict()


def test_recipes_that_contradict_themselves_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"loss\.kind must be one of auto, mse, mae, huber"):
        scalar(loss={"kind": "focal"})
    with pytest.raises(RecipeError, match=r"optim\.label_smoothing must be 0"):
        scalar(optim={"label_smoothing": 0.1})
