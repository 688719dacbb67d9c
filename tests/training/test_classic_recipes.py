"""The recipes that articles on fine-tuning teach: what they say, and that they run on tiny pictures."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from safetensors.torch import load_file
from torch import nn

from tests.house.sources import ROOT
from tests.training.imageworld import write_numbers
from tests.training.test_heads import without_top
from tests.training.text.world import write_encoder, write_reviews
from tests.training.world import SIZE, Listener, picture, write_base
from training.finetune import FinetuneResult, finetune
from training.recipe import MAX_TEXT_BYTES, Recipe, dump_recipe, parse_recipe
from training.tasks import TASKS, task_kind
from training.weights import load_weights

RECIPES = ROOT / "recipes"
TEN = tuple(f"kind {number}" for number in range(10))


def shipped(name: str) -> Recipe:
    return parse_recipe((RECIPES / "classic" / f"{name}.yaml").read_text())


@pytest.mark.parametrize("path", sorted(RECIPES.rglob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_recipe_is_one(path: Path) -> None:
    text = path.read_text()
    assert len(text) < MAX_TEXT_BYTES
    recipe = parse_recipe(text)
    assert parse_recipe(dump_recipe(recipe)) == recipe
    assert recipe.task in TASKS
    assert text.startswith("# "), "the file begins with what it is for"
    if path.parent.name == "classic":
        assert f"python -m training finetune {path.relative_to(ROOT)}" in text


def test_there_are_no_other_files_among_them() -> None:
    assert {path.suffix for path in RECIPES.rglob("*") if path.is_file()} <= {".yaml", ".md"}


@pytest.mark.parametrize(
    ("name", "task", "strategy", "optim"),
    [
        ("resnet50-frozen-10way", "image-classification", "head", ("sgd", 1e-3, 4, 2)),
        ("resnet18-scalar", "image-regression", "full", ("sgd", 1e-3, 32, 10)),
        ("resnet50-frozen-scalar", "image-regression", "head", ("adam", 1e-3, 32, 10)),
        ("resnet50-adam", "image-classification", "full", ("adam", 1e-4, 64, 10)),
        ("vgg16-pooled-dense", "image-classification", "head", ("adam", 1e-3, 32, 10)),
    ],
)
def test_they_say_what_the_articles_say(
    name: str, task: str, strategy: str, optim: tuple[str, float, int, int]
) -> None:
    recipe = shipped(name)
    found = recipe.optim
    assert (recipe.task, recipe.strategy.kind) == (task, strategy)
    assert (found.name, found.lr, found.batch_size, found.epochs) == optim
    assert (found.schedule, found.warmup_fraction, found.momentum) == ("constant", 0, 0.9)
    assert recipe.base_model is not None
    assert recipe.base_model.repo.startswith(f"timm/{name.split('-')[0]}.")


def test_the_bert_recipe_says_what_the_article_says() -> None:
    recipe = shipped("bert-new-layer")
    found = recipe.optim
    assert (recipe.task, recipe.strategy.kind) == ("text-classification", "full")
    assert (found.name, found.lr, found.batch_size, found.epochs) == ("adamw", 5e-5, 16, 3)
    assert (found.schedule, found.warmup_fraction, found.weight_decay) == ("linear", 0.1, 0.01)


def test_there_are_six() -> None:
    assert len(list((RECIPES / "classic").glob("*.yaml"))) == 6


@pytest.fixture(scope="module")
def resnet50(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("resnet50"), "resnet50")


@pytest.fixture(scope="module")
def ten(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four pictures of each of ten kinds, which nothing tells apart but noise and the first one's colour."""
    import numpy as np

    folder, generator = tmp_path_factory.mktemp("ten"), np.random.default_rng(0)
    for kind in TEN:
        (folder / "train" / kind).mkdir(parents=True)
        for index in range(4):
            picture("cat" if kind == TEN[0] else "dog", generator).save(
                folder / "train" / kind / f"{index}.png"
            )
    return folder


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_numbers(tmp_path_factory.mktemp("numbers"), train=40, test=8)


def run(given: Recipe, base: Path, data: Path, work: Path, epochs: int) -> FinetuneResult:
    """The recipe as it is, but for tiny pictures and fewer passes."""
    tiny = dataclasses.replace(
        given,
        dataset=dataclasses.replace(given.dataset, image_size=SIZE),
        optim=dataclasses.replace(given.optim, epochs=epochs),
    )
    return finetune(tiny, base_dir=base, data_dir=data, work_dir=work, reporter=Listener())


def stock(result: FinetuneResult) -> nn.Module:
    """The published weights in timm's own network, strictly."""
    config = json.loads((result.model_dir / "config.json").read_text())
    net = timm.create_model(config["architecture"], num_classes=config["num_classes"])
    net.load_state_dict(load_file(result.model_dir / "model.safetensors"))
    return net


def test_a_frozen_resnet50_with_ten_classes(resnet50: Path, ten: Path, tmp_path: Path) -> None:
    result = run(shipped("resnet50-frozen-10way"), resnet50, ten, tmp_path, epochs=2)
    assert result.labels == list(TEN)
    assert len(result.history) == 2
    # 30 of 40 pictures are learned from (one of each class is held out), four a step.
    assert result.history[-1]["step"] == 2 * 8
    base, net = load_weights(resnet50 / "model.safetensors"), stock(result).state_dict()
    assert net["fc.weight"].shape == (10, 2048)
    assert all(torch.equal(net[name], base[name]) for name in base if not name.startswith("fc."))


def test_a_resnet18_learns_a_scalar(numbers: Path, tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", "resnet18")
    result = run(shipped("resnet18-scalar"), base, numbers, tmp_path / "work", epochs=2)
    assert result.history[-1]["train/loss"] < result.history[0]["train/loss"]
    assert stock(result).state_dict()["fc.weight"].shape == (1, 512)
    assert result.metrics["val/rmse"] > 100


def test_a_frozen_resnet50_tells_a_scalar(resnet50: Path, numbers: Path, tmp_path: Path) -> None:
    given = shipped("resnet50-frozen-scalar")
    result = run(given, resnet50, numbers, tmp_path, epochs=10)
    assert result.history[-1]["train/loss"] < result.history[0]["train/loss"]
    base, net = load_weights(resnet50 / "model.safetensors"), stock(result).state_dict()
    assert torch.equal(net["layer4.2.conv3.weight"], base["layer4.2.conv3.weight"])
    answer = task_kind(given.task).predict(result.model_dir, str(numbers / "test" / "000.png"))
    assert answer["value"] > 10_000


def test_a_resnet50_with_adam(resnet50: Path, ten: Path, tmp_path: Path) -> None:
    result = run(shipped("resnet50-adam"), resnet50, ten, tmp_path, epochs=1)
    base, net = load_weights(resnet50 / "model.safetensors"), stock(result).state_dict()
    # One step over 30 pictures: Adam's first step moves a weight by its rate, or by less.
    for name in ("conv1.weight", "layer4.0.bn3.weight", "fc.bias"):
        moved = net[name] - (base[name] if name != "fc.bias" else torch.zeros(10))
        assert float(moved.abs().max()) == pytest.approx(1e-4, rel=0.01), name


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_a_vgg16_with_pooling_and_a_dense_layer(
    ten: Path, tmp_path: Path, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = without_top(tmp_path / "base", "vgg16", library)
    given = shipped("vgg16-pooled-dense")
    result = run(given, base, ten, tmp_path / "work", epochs=2)
    # Loaded by the two lines that the card shows; built without memory for the dense layers that go.
    with torch.device("meta"):
        if library == "timm":
            net = timm.create_model("vgg16", num_classes=10)
            net.pre_logits, place = nn.Identity(), "head.fc"
        else:
            net = torchvision.models.vgg16(num_classes=10)
            net.avgpool, place = nn.AdaptiveAvgPool2d(1), "classifier"
        net.set_submodule(place, nn.Sequential(nn.Linear(512, 1024), nn.ReLU(), nn.Linear(1024, 10)))
    net.load_state_dict(load_file(result.model_dir / "model.safetensors"), assign=True)
    answers = task_kind(given.task).predict(result.model_dir, str(ten / "train" / TEN[0] / "0.png"))
    assert sum(answer["score"] for answer in answers) == pytest.approx(1)
    assert sum(item.numel() for item in net.parameters()) < 16_000_000


def test_an_encoder_with_a_new_classification_layer(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    given, base = shipped("bert-new-layer"), write_encoder(tmp_path / "base")
    data = write_reviews(tmp_path / "data")
    tiny = dataclasses.replace(
        given,
        dataset=dataclasses.replace(given.dataset, validation_split="test", max_tokens=40),
        optim=dataclasses.replace(given.optim, epochs=1),
    )
    result = finetune(tiny, base_dir=base, data_dir=data, work_dir=tmp_path / "work", reporter=Listener())
    net = AutoModelForSequenceClassification.from_pretrained(result.model_dir)
    assert net.config.id2label == {0: "bad", 1: "good"}
    before = load_weights(base / "model.safetensors")
    moved = {name: item for name, item in net.base_model.state_dict().items() if name in before}
    assert any(not torch.equal(item, before[name]) for name, item in moved.items())
    # Three steps of AdamW at 5e-5 at most: nothing goes further than the rate allows.
    assert max(float((item - before[name]).abs().max()) for name, item in moved.items()) < 2e-4
