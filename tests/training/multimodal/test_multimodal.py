from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.text.world import BAD, FILLER, GOOD, write_encoder
from tests.training.world import Listener, picture, write_base
from training.device import pick_device
from training.errors import Interrupted, UserError
from training.finetune import FinetuneResult, finetune
from training.multimodal.published import load_fusion
from training.recipe import Recipe, RecipeError, parse_recipe
from training.tasks import task_kind
from training.tasks.base import Measured, Plan
from training.weights import load_weights

KINDS = ("concat", "gated", "late", "image", "text", "table")


def write_rows(folder: Path, counts: dict[str, int]) -> Path:
    """Pictures, texts and ages; each alone tells `yes` from `no`, but in some rows it is mistaken."""
    generator = np.random.default_rng(0)
    for split, count in counts.items():
        place = folder / split
        place.mkdir(parents=True)
        rows = []
        for index in range(count):
            label = ("no", "yes")[index % 2]
            shown, said, aged = (label if generator.random() > 0.15 else "no" for _ in range(3))
            picture("cat" if shown == "yes" else "dog", generator).save(place / f"{index:03}.png")
            words = [str(generator.choice(FILLER)) for _ in range(3)]
            words.append(str(generator.choice(GOOD if said == "yes" else BAD)))
            age = int(generator.integers(20, 40)) + (30 if aged == "yes" else 0)
            rows.append({"image": f"{index:03}.png", "text": " ".join(words), "age": age, "label": label})
        with (place / "metadata.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    write_base(folder / "image")
    write_encoder(folder / "text")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("rows"), {"train": 64, "test": 24})


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def recipe(**sections: Any) -> Recipe:
    inputs = {"image_column": "image", "text_column": "text", "columns": ["age"]}
    plain: dict[str, Any] = {
        "task": "multimodal-classification",
        "base_model": {"repo": "base"},
        "dataset": {"repo": "data", **inputs, "max_tokens": 12, **sections.pop("dataset", {})},
        "network": {"width": 16, "dropout": 0.0, **sections.pop("network", {})},
        "optim": {"lr": 1e-2, "epochs": 12, "batch_size": 16, **sections.pop("optim", {})},
    }
    return parse_recipe({**plain, **sections})


def run(
    given: Recipe, base: Path, data: Path, work: Path, cache: Path, listener: Listener | None = None
) -> FinetuneResult:
    return finetune(
        given,
        base_dir=base,
        data_dir=data,
        work_dir=work,
        cache_dir=cache,
        reporter=listener or Listener(),
        report_seconds=0.0,
        checkpoint_seconds=1e9,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_fusion_learns_and_is_published(
    base: Path, data: Path, cache: Path, tmp_path: Path, kind: str
) -> None:
    given = recipe(network={"kind": kind})
    result = run(given, base, data, tmp_path, cache)
    assert set(result.metrics) >= {"val/loss", "val/accuracy", "val/macro_f1"}
    assert result.labels == ["no", "yes"]
    report = task_kind(given.task).evaluate(result.model_dir, data, "test", recipe=given, reporter=Listener())
    assert isinstance(report, Measured)
    assert report.n == 24
    assert result.history[-1]["train/loss"] < result.history[0]["train/loss"]
    # The text encoder has random weights; by itself it learns its rows and tells nothing of others.
    assert report.value > 0.6 or kind == "text"
    question = {"image": str(data / "test" / "001.png"), "text": "the tea was lovely", "age": 55}
    answers = task_kind(given.task).predict(result.model_dir, json.dumps(question))
    assert sum(answer["score"] for answer in answers) == pytest.approx(1)
    assert {answer["label"] for answer in answers} == {"no", "yes"}


def test_two_modalities_without_pictures(base: Path, data: Path, cache: Path, tmp_path: Path) -> None:
    given = recipe(dataset={"image_column": None})
    result = run(given, base, data, tmp_path, cache)
    assert not (result.model_dir / "image").exists()
    report = task_kind(given.task).evaluate(result.model_dir, data, "test", recipe=given, reporter=Listener())
    assert report.value > 0.6


def test_the_published_directory_gives_the_nets_own_answers(
    base: Path, data: Path, cache: Path, tmp_path: Path
) -> None:
    given = recipe(network={"kind": "gated"})
    plan = Plan(given, base, data, tmp_path, cache, pick_device(), Listener())
    prepared = task_kind(given.task).prepare(plan)
    prepared.save(tmp_path / "model")
    inputs, _ = prepared.train.take(torch.arange(20), plan.device)
    loaded = load_fusion(tmp_path / "model")
    with torch.inference_mode():
        expected = prepared.network.net.eval()(inputs).cpu()
        found = loaded.net({name: item.cpu() for name, item in inputs.items()})
    assert torch.allclose(found, expected, atol=1e-5)
    for part, file in (("image", "model.safetensors"), ("text", "model.safetensors")):
        mine, theirs = (load_weights(folder / part / file) for folder in (tmp_path / "model", base))
        assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


def test_late_branches_learn_by_themselves(base: Path, data: Path, cache: Path, tmp_path: Path) -> None:
    plan = Plan(recipe(network={"kind": "late"}), base, data, tmp_path, cache, pick_device(), Listener())
    prepared = task_kind(plan.recipe.task).prepare(plan)
    inputs, targets = prepared.train.take(torch.arange(16), plan.device)
    step = prepared.task.step(prepared.learner, inputs, targets)
    each = [torch.nn.functional.cross_entropy(one, targets) for one in prepared.learner.branches(inputs)]
    assert len(each) == 3
    assert torch.allclose(step.loss, torch.stack(each).mean())


def test_an_interrupted_run_ends_whole(base: Path, data: Path, cache: Path, tmp_path: Path) -> None:
    given = recipe(network={"kind": "gated", "dropout": 0.2}, optim={"epochs": 3})
    whole, first, second = Listener(), Listener(4, Interrupted()), Listener()
    expected = run(given, base, data, tmp_path / "whole", cache, whole)
    with pytest.raises(Interrupted):
        run(given, base, data, tmp_path / "cut", cache, first)
    result = run(given, base, data, tmp_path / "cut", cache, second)
    assert first.losses() + second.losses() == whole.losses()
    mine, theirs = (load_weights(one.model_dir / "model.safetensors") for one in (result, expected))
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"dataset": {"image_column": None, "columns": None}}, "recipe:one-modality"),
        ({"dataset": {"columns": ["label"]}}, "recipe:target-in-columns"),
        ({"dataset": {"text_column": "nothing"}}, "data:missing-column"),
        ({"dataset": {"columns": ["text"]}}, "data:no-columns"),
        ({"network": {"kind": "mlp"}}, "recipe:network"),
        ({"network": {"kind": "image"}, "dataset": {"image_column": None}}, "recipe:network"),
    ],
)
def test_mistakes_are_told_before_the_first_step(
    base: Path, data: Path, cache: Path, tmp_path: Path, sections: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError) as caught:
        run(recipe(**sections), base, data, tmp_path, cache)
    assert caught.value.message_id == message


def test_only_heads_learn(base: Path) -> None:
    with pytest.raises(RecipeError, match="encoders are frozen"):
        recipe(strategy={"kind": "full"})


def test_a_base_without_its_encoder_or_a_torn_model(
    base: Path, data: Path, cache: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="no encoder in image/"):
        run(recipe(), base / "text", data, tmp_path / "work", cache)
    given = recipe(optim={"epochs": 1})
    model = run(given, base, data, tmp_path / "run", cache).model_dir
    copy = shutil.copytree(model, tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text())
    for change, message in (
        ({"model_type": "bert"}, "model:wrong-kind"),
        ({"network": config["network"] | {"width": 3}}, "model:wrong-weights"),
        ({"network": config["network"] | {"kind": "other"}}, "model:bad-config"),
        ({"label_names": ["no"]}, "model:bad-config"),
    ):
        (copy / "config.json").write_text(json.dumps(config | change))
        with pytest.raises(UserError) as caught:
            load_fusion(copy)
        assert caught.value.message_id == message
    with pytest.raises(UserError):
        task_kind("multimodal-classification").predict(model, "no JSON")
