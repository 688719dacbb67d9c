from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file
from sklearn.metrics import f1_score

from tests.training.imageworld import CHANNELS, coloured, write_rows, write_tags
from tests.training.world import Listener, recipe
from training import model
from training.batches import normalize
from training.data import holdout
from training.errors import UserError
from training.evaluate import outputs_on
from training.finetune import FinetuneResult, finetune
from training.imagetargets import Tags, read_tags
from training.losses import make_loss
from training.pixels import pixel_chunks
from training.recipe import Recipe, RecipeError
from training.reporting import SilentReporter
from training.spec import TAGS
from training.tasks import task_kind
from training.tasks.image_multilabel import TagTask, macro_f1_of

KIND = task_kind("image-multilabel")
COLUMNS = {"image_column": "image", "label_column": "labels"}


def tagged(**sections: object) -> Recipe:
    given: dict[str, object] = {"task": "image-multilabel", "optim": {"epochs": 6}, **sections}
    return recipe(**given)


def run(
    given: Recipe, base: Path, data: Path, work: Path, listener: Listener | None = None
) -> FinetuneResult:
    return finetune(given, base_dir=base, data_dir=data, work_dir=work, reporter=listener or Listener())


def refusal(data: Path, base: Path, work: Path, **dataset: object) -> UserError:
    with pytest.raises(UserError) as caught:
        run(tagged(dataset=dataset), base, data, work)
    return caught.value


def slice_of(folder: Path, labels: list[object], split: str = "train", kind: str = "jsonl") -> Path:
    """Pictures alike, with these cells in the column `labels`."""
    generator = np.random.default_rng(0)
    pictures = [coloured((), generator) for _ in labels]
    return write_rows(folder, split, pictures, [{"labels": cell} for cell in labels], kind)


@pytest.fixture(scope="module")
def tags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tags(tmp_path_factory.mktemp("tags"))


@pytest.fixture(scope="module")
def finished(base: Path, tags: Path, tmp_path_factory: pytest.TempPathFactory) -> FinetuneResult:
    return run(tagged(), base, tags, tmp_path_factory.mktemp("finished"))


def test_labels_are_learned_each_by_itself(finished: FinetuneResult, tags: Path) -> None:
    assert finished.labels == ["blue", "green", "red"]
    assert finished.metrics["val/micro_f1"] > 0.8
    report = KIND.evaluate(finished.model_dir, tags, "test", recipe=tagged(), reporter=SilentReporter())
    plain = report.as_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert (report.metric, report.n) == ("macro_f1", 16)
    assert report.lo <= report.value <= report.hi
    assert report.value > 0.8
    assert np.mean(list(plain["per_label_f1"].values())) == pytest.approx(report.value)
    assert {"subset_accuracy", "micro_f1", "mean_average_precision"} <= plain.keys()
    answers = KIND.predict(finished.model_dir, str(tags / "test" / "005.png"))
    assert {item["label"] for item in answers if item["score"] >= 0.5} == {"red", "blue"}
    assert sum(item["score"] for item in answers) > 1.1


def test_timm_gives_the_same_logits(finished: FinetuneResult, tags: Path) -> None:
    config = json.loads((finished.model_dir / "config.json").read_text())
    assert config["problem_type"] == "multi_label_classification"
    net = timm.create_model(config["architecture"], num_classes=config["num_classes"]).eval()
    net.load_state_dict(load_file(finished.model_dir / "model.safetensors"))
    network = model.load_network(finished.model_dir, TAGS)
    split = read_tags(tags, "test", **COLUMNS)
    (pixels,) = pixel_chunks(split, range(len(split)), network.spec.geometry)
    with torch.inference_mode():
        theirs = net(normalize(pixels.float() / 255, network.spec))
    torch.testing.assert_close(outputs_on(network, split, SilentReporter()), theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("loss", [{"kind": "focal"}, {"class_weights": "balanced"}])
def test_frozen_features_and_other_losses_learn_too(
    base: Path, tags: Path, tmp_path: Path, loss: dict[str, object]
) -> None:
    given = tagged(strategy={"kind": "head"}, optim={"epochs": 60, "lr": 0.05}, loss=loss)
    assert run(given, base, tags, tmp_path).metrics["val/micro_f1"] > 0.75


def test_labels_can_be_mixed(base: Path, tags: Path, tmp_path: Path) -> None:
    listener = Listener()
    run(tagged(dataset={"mix": "cutmix"}, optim={"epochs": 1}), base, tags, tmp_path, listener)
    assert listener.reports[-1][2]["train/loss"] > 0


def test_the_loss_told_is_plain_binary_cross_entropy() -> None:
    logits, targets = torch.tensor([[0.0, 2.0], [-1.0, 0.0]]), torch.tensor([[0.0, 1.0], [0.0, 0.0]])
    task = TagTask(["a", "b"], make_loss("binary-focal"))
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits.double(), targets.double())
    found = task.measure([(logits, targets)])
    assert found["loss"] == pytest.approx(float(expected))
    # 0.5 itself counts as told: row 1 tells both labels, row 2 the second.
    assert found["micro_f1"] == pytest.approx(2 / 4)
    assert float(task.step(torch.nn.Identity(), logits, targets).loss) < float(expected)
    assert task.measure([(logits * torch.nan, targets)]).keys() == {"loss", "macro_f1"}


def test_macro_f1_of_many_draws_is_scikit_learns() -> None:
    generator = np.random.default_rng(0)
    truth, told = generator.random((2, 3, 20, 5)) > 0.7
    truth[0, :, 0] = told[0, :, 0] = False
    expected = [f1_score(a, b, average="macro", zero_division=0) for a, b in zip(truth, told, strict=True)]
    np.testing.assert_allclose(macro_f1_of(truth, told), expected)


def test_names_indices_and_columns_say_the_same(tmp_path: Path) -> None:
    sets: list[object] = [["red"], [], ["blue", "red"], ["green"]]
    named = read_tags(slice_of(tmp_path / "names", sets), "train", **COLUMNS)
    assert named.labels == ["blue", "green", "red"]
    assert named.flags.tolist() == [[0, 0, 1], [0, 0, 0], [1, 0, 1], [0, 1, 0]]
    order = {"blue": 0, "green": 1, "red": 2}
    numbered: list[object] = [[order[name] for name in row] for row in sets]
    indices = read_tags(slice_of(tmp_path / "indices", numbered, kind="parquet"), "train", **COLUMNS)
    assert indices.labels == ["0", "1", "2"]
    assert indices.flags.tolist() == named.flags.tolist()
    (tmp_path / "indices" / "README.md").write_text(
        "---\ndataset_info:\n  features:\n  - name: labels\n"
        "    sequence:\n      class_label:\n        names:\n"
        "          '0': blue\n          '1': green\n          '2': red\n---\n"
    )
    assert read_tags(tmp_path / "indices", "train", **COLUMNS).labels == named.labels


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_columns_of_0_and_1(tmp_path: Path, kind: str) -> None:
    generator = np.random.default_rng(0)
    flags = [(1, 0), (0, 0), (1, 1)]
    pictures = [coloured((), generator) for _ in flags]
    rows = [{"hot": hot, "other": 3, "wet": wet} for hot, wet in flags]
    data = write_rows(tmp_path, "train", pictures, rows, kind)
    found = read_tags(data, "train", **COLUMNS, label_columns=("wet", "hot"))
    assert found.labels == ["wet", "hot"]
    assert found.flags.tolist() == [[0, 1], [0, 0], [1, 1]]
    with pytest.raises(UserError, match="The column 'other' must hold 0 and 1, got '3'"):
        read_tags(data, "train", **COLUMNS, label_columns=("hot", "other"))
    with pytest.raises(UserError, match="no column 'dry'"):
        read_tags(data, "train", **COLUMNS, label_columns=("hot", "dry"))


def test_a_holdout_leaves_rare_labels_to_learn_from() -> None:
    flags = np.zeros((40, 3), dtype=np.uint8)
    flags[:, 0] = 1
    flags[7, 2] = flags[9, 2] = flags[11, 1] = 1
    split = Tags("train", ["common", "once", "twice"], flags, None)
    for seed in range(20):
        kept, held = holdout(split.strata, 0.1, seed)
        assert flags[kept].any(axis=0).tolist() == [True, True, True]
        assert flags[held, 2].sum() == 1
    assert set(Tags("train", ["a"], flags[:, 1:2], None).strata) == {0, -1}


def test_rows_that_are_no_lists_are_named(base: Path, tmp_path: Path) -> None:
    wrong = refusal(slice_of(tmp_path / "a", [["x"], "x y"]), base, tmp_path / "work")
    assert wrong.message == (
        "The column 'labels' must hold lists of labels, got 'x y' for 001.png (train/metadata.jsonl, row 2)."
    )
    missing = refusal(slice_of(tmp_path / "b", [["x"], None]), base, tmp_path / "work")
    assert "got 'None' for 001.png (train/metadata.jsonl, row 2)" in missing.message
    inside = refusal(slice_of(tmp_path / "c", [["x"], [1.5]]), base, tmp_path / "work")
    assert inside.message_id == "data:bad-label"


def test_data_without_anything_to_learn_is_refused(base: Path, images: Path, tmp_path: Path) -> None:
    empty = refusal(slice_of(tmp_path / "a", [[], []]), base, tmp_path / "work")
    assert empty.message == "No image has a label."
    same = refusal(slice_of(tmp_path / "b", [["x"], ["x"], ["x"]]), base, tmp_path / "work")
    assert same.message_id == "data:constant-target"
    folders = refusal(images, base, tmp_path / "work", label_columns=["a", "b"])
    assert "needs a table" in folders.message
    assert "must hold lists of labels, got 'cat'" in refusal(images, base, tmp_path / "work").message


def test_labels_that_the_training_split_lacks_are_refused(base: Path, tmp_path: Path) -> None:
    data = slice_of(tmp_path / "data", [["x"], [], ["y"], []])
    slice_of(data, [["y"], ["x", "z"]], split="validation")
    strange = refusal(data, base, tmp_path / "work", validation_split="validation")
    assert strange.message == "The split 'validation' holds the label 'z', the training split does not."


def test_strange_labels_count_as_missed_when_measured(finished: FinetuneResult, tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    sets = [["red"], ["green", "violet"], ["blue"], []]
    pictures = [coloured([name for name in names if name in CHANNELS], generator) for names in sets]
    data = write_rows(tmp_path / "some", "test", pictures, [{"labels": names} for names in sets])
    report = KIND.evaluate(finished.model_dir, data, "test", recipe=tagged(), reporter=SilentReporter())
    assert report.as_dict()["labels"] == ["blue", "green", "red", "violet"]
    assert report.as_dict()["per_label_f1"]["violet"] == 0
    other = slice_of(tmp_path / "none", [["x"], ["y"]], split="test")
    with pytest.raises(UserError, match="none in common") as caught:
        KIND.evaluate(finished.model_dir, other, "test", recipe=tagged(), reporter=SilentReporter())
    assert caught.value.message_id == "data:labels-mismatch"


def test_recipes_that_contradict_themselves_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"loss\.kind must be one of auto, focal"):
        tagged(loss={"kind": "mse"})
    with pytest.raises(RecipeError, match="sampling must be shuffled"):
        tagged(sampling="balanced")
    with pytest.raises(RecipeError, match=r"label_columns"):
        recipe(dataset={"label_columns": ["a"]})
