from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from tests.training.detection.world import BLOCK_RECIPE, SIZE, cell, recipe, scenes, write_cells, write_scenes
from tests.training.test_finetune import assert_same_weights
from tests.training.world import Listener, write_base
from training.detection import runs
from training.detection.models import load_detector
from training.detection.nets import strides_of
from training.detection.reading import detection_data, read_scenes
from training.detection.spec import FcosSpec
from training.detection.trunks import build_trunk, taps_of
from training.errors import Interrupted, UserError
from training.finetune import FinetuneResult, finetune
from training.measured import METRICS
from training.recipe import Recipe, parse_recipe
from training.reporting import SilentReporter
from training.tasks import task_kind
from training.tasks.base import Plan

KIND = task_kind("object-detection")
SMALL = "ssdlite320_mobilenet_v3_large"


def run(
    given: Recipe, base: Path, data: Path, work: Path, listener: Listener | None = None
) -> FinetuneResult:
    return finetune(
        given, base_dir=base, data_dir=data, work_dir=work, reporter=listener or Listener(), report_seconds=0
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("blocks")
    return write_scenes(folder, {"train": scenes(41, 0), "test": scenes(12, 1)})


@pytest.fixture(scope="module")
def finished(base: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> FinetuneResult:
    return run(recipe(**BLOCK_RECIPE), base, data, tmp_path_factory.mktemp("finished"))


def stock(model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The net that the card's own lines make."""
    lines = KIND.usage("me/blocks", json.loads((model_dir / "config.json").read_text()))
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda repo, name: str(model_dir / name))
    space: dict[str, Any] = {}
    exec(lines, space)  # noqa: S102 (what a reader of the card would run)
    assert len(space["labels"]) == len(space["found"]["boxes"])
    return space["net"]


def assert_stock_agrees(model_dir: Path, net: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Boxes, scores and labels of the detector as we run it and as torchvision does, to 1e-5."""
    ours, spec = load_detector(model_dir)
    images = [torch.rand(3, spec.image_size, spec.image_size, generator=torch.Generator().manual_seed(5))] * 2
    with torch.inference_mode():
        mine, theirs = ours.detect(images)[0], net(images)[0]
    kept = theirs["labels"] > 0
    assert len(mine["boxes"]) == int(kept.sum()) > 0
    assert torch.equal(mine["labels"] + 1, theirs["labels"][kept])
    torch.testing.assert_close(mine["scores"], theirs["scores"][kept], rtol=0, atol=1e-5)
    torch.testing.assert_close(mine["boxes"] * spec.image_size, theirs["boxes"][kept], rtol=1e-5, atol=1e-4)


def test_blocks_are_found(finished: FinetuneResult, data: Path) -> None:
    assert set(finished.metrics) == {"val/loss", "val/map", "val/map50", "val/map75", "val/recall"}
    assert finished.history[-1]["train/loss"] < finished.history[0]["train/loss"]
    given = recipe(**BLOCK_RECIPE)
    report = KIND.evaluate(finished.model_dir, data, "test", recipe=given, reporter=SilentReporter())
    plain = report.as_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert (report.metric, report.n) == ("map", 12)
    assert plain["map50"] > 0.5
    assert report.lo < report.value < report.hi
    assert set(plain["per_class_ap"]) == {"red", "blue"}
    assert report.value == pytest.approx(sum(plain["per_class_ap"].values()) / 2)
    assert set(report.metrics) == set(METRICS["object-detection"])


def test_a_picture_of_any_size_gets_boxes_in_its_own_pixels(finished: FinetuneResult, tmp_path: Path) -> None:
    image, boxes, _ = scenes(3, 9)[2]
    image.resize((SIZE * 3, SIZE * 2), Image.Resampling.NEAREST).save(tmp_path / "wide.png")
    told = KIND.predict(finished.model_dir, str(tmp_path / "wide.png"))
    assert told
    assert [one["score"] for one in told] == sorted((one["score"] for one in told), reverse=True)
    left, top, width, height = boxes[0]
    wanted = torch.tensor([left * 3, top * 2, (left + width) * 3, (top + height) * 2])
    nearest = min((torch.tensor(one["box"]) - wanted).abs().max() for one in told)
    assert float(nearest) < 0.25 * SIZE * 3


def test_torchvision_alone_gives_the_same_detections(
    finished: FinetuneResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_stock_agrees(finished.model_dir, stock(finished.model_dir, monkeypatch), monkeypatch)
    config = json.loads((finished.model_dir / "config.json").read_text())
    assert config["label_names"] == ["__background__", "blue", "red"]


@pytest.mark.parametrize(
    ("library", "architecture"),
    [("torchvision", "mobilenet_v2"), ("timm", "tf_efficientnet_lite0"), ("torchvision", "resnet18")],
)
def test_classifiers_become_detectors_that_torchvision_loads(
    library: str, architecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = write_base(tmp_path / "base", architecture, library)
    small = write_scenes(tmp_path / "data", {"train": scenes(3)})
    given = recipe(optim={"epochs": 1}, dataset={"validation_fraction": 0.0}, strategy={"kind": "head"})
    result = run(given, base, small, tmp_path / "work")
    assert_stock_agrees(result.model_dir, stock(result.model_dir, monkeypatch), monkeypatch)
    # The frozen body is the base's own, under the detector's names.
    ours, theirs = load_file(result.model_dir / "model.safetensors"), load_file(base / "model.safetensors")
    first = next(item for name, item in theirs.items() if item.ndim == 4)
    same = [name for name, item in ours.items() if item.shape == first.shape and torch.equal(item, first)]
    assert same
    assert same[0].startswith("backbone.body.")


def write_detector_base(folder: Path, classes: int, labels: list[str] | None = None) -> Path:
    """What somebody else would have: torchvision's own state dict, and a config that names it."""
    from torchvision import models

    folder.mkdir()
    torch.manual_seed(3)
    net = models.get_model(SMALL, weights=None, weights_backbone=None, num_classes=classes)
    save_file(net.state_dict(), folder / "model.safetensors")
    config = {"architecture": SMALL, "library_name": "torchvision", "num_classes": classes}
    (folder / "config.json").write_text(json.dumps(config | ({"label_names": labels} if labels else {})))
    return folder


def test_a_detector_gets_a_new_class_layer_and_keeps_the_rest(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = write_detector_base(tmp_path / "base", 91)
    given = recipe(
        network=None, dataset={"image_size": 96, "max_train_images": 4}, optim={"epochs": 1, "lr": 1e-9}
    )
    result = run(given, base, data, tmp_path / "work")
    ours, theirs = load_file(result.model_dir / "model.safetensors"), load_file(base / "model.safetensors")
    assert ours.keys() == theirs.keys()
    changed = {name for name in ours if ours[name].shape != theirs[name].shape}
    assert {name.split(".module_list")[0] for name in changed} == {"head.classification_head"}
    for name in ("backbone.features.0.3.block.0.0.weight", "head.regression_head.module_list.2.1.weight"):
        torch.testing.assert_close(ours[name], theirs[name], rtol=0, atol=1e-6)
    assert_stock_agrees(result.model_dir, stock(result.model_dir, monkeypatch), monkeypatch)


def test_a_finished_detector_learns_on_with_its_class_layer(
    finished: FinetuneResult, data: Path, tmp_path: Path
) -> None:
    given = recipe(network=None, optim={"epochs": 1, "lr": 1e-9})
    again = run(given, finished.model_dir, data, tmp_path / "work")
    assert again.metrics["val/map"] == pytest.approx(finished.metrics["val/map"], abs=0.05)
    with pytest.raises(UserError, match="the base model is a detector"):
        run(recipe(), finished.model_dir, data, tmp_path / "other")


LOSSES = [2.804975, 2.274012, 1.514568, 1.431053, 1.932739]


def test_losses_at_a_fixed_seed_are_pinned(base: Path, data: Path, tmp_path: Path) -> None:
    listener = Listener()
    given = recipe(optim={"epochs": 1}, dataset={"augment": "light"})
    result = run(given, base, data, tmp_path, listener)
    assert listener.with_means(result.history) == pytest.approx(LOSSES, rel=0.02)


STRATEGIES: dict[str, dict[str, Any]] = {
    "full": {"strategy": {"kind": "full", "lr_decay": 0.8, "l2_sp": 0.1}, "dataset": {"augment": "light"}},
    "head": {"strategy": {"kind": "head"}},
    "last": {"strategy": {"kind": "last-stages", "stages": 2}, "optim": {"ema": 0.9, "grad_clip": 1.0}},
    "gradual": {
        "strategy": {"kind": "gradual"},
        "optim": {"epochs": 2, "grad_accum_steps": 2, "batch_size": 4},
    },
    "lp-ft": {"strategy": {"kind": "lp-ft", "probe_epochs": 1}, "optim": {"epochs": 1}},
    "scratch": {"init": "scratch", "early_stopping": {"patience": 1, "metric": "map50"}},
}


@pytest.mark.parametrize("name", STRATEGIES)
def test_an_interrupted_run_ends_as_the_whole_one(name: str, base: Path, data: Path, tmp_path: Path) -> None:
    given = recipe(**{"dataset": {}, **STRATEGIES[name]})
    whole, first, second = Listener(), Listener(4, Interrupted()), Listener()
    expected = run(given, base, data, tmp_path / "whole", whole)
    with pytest.raises(Interrupted):
        run(given, base, data, tmp_path / "cut", first)
    torch.manual_seed(5)
    result = run(given, base, data, tmp_path / "cut", second)
    assert first.losses() + second.losses() == whole.losses()
    assert result.history == expected.history
    assert_same_weights(result, expected)


def test_the_maps_of_a_frozen_body_are_as_good_as_its_pictures(
    base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = recipe(strategy={"kind": "head"}, optim={"epochs": 1})
    cached, plain = Listener(), Listener()
    run(given, base, data, tmp_path / "cached", cached)
    monkeypatch.setattr(runs, "MAX_MAP_BYTES", 1)
    run(given, base, data, tmp_path / "plain", plain)
    assert "features" in cached.stages
    assert any("do not fit" in line for line in plain.logs)
    assert [loss for _, loss in cached.losses()] == pytest.approx(
        [loss for _, loss in plain.losses()], rel=1e-5
    )


def test_frozen_parts_stay_and_small_batches_keep_the_norms(base: Path, data: Path, tmp_path: Path) -> None:
    for batch, steady in ((4, True), (8, False)):
        given = recipe(optim={"epochs": 1, "batch_size": batch}, dataset={"max_train_images": 8})
        before = load_file(base / "model.safetensors")
        result = run(given, base, data, tmp_path / str(batch))
        after = load_file(result.model_dir / "model.safetensors")
        norms = [
            name for name in before if name.endswith("running_mean") and f"backbone.body.{name}" in after
        ]
        assert norms
        assert all(torch.equal(before[name], after[f"backbone.body.{name}"]) for name in norms) is steady


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"network": {"width": 48}}, "network.width must be a multiple of 32 from 64"),
        ({"network": {"kind": "yolo"}}, "network.kind must be auto or fcos"),
        ({"network": {"heads": 2}}, "there are no network.heads"),
        ({"dataset": {"objects_column": "things"}}, "no column 'things'"),
        ({"dataset": {"validation_split": "nowhere"}}, "no split 'nowhere'"),
    ],
)
def test_mistakes_are_told_before_the_first_step(
    base: Path, data: Path, tmp_path: Path, sections: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        run(recipe(**sections), base, data, tmp_path)


def test_data_without_objects_or_with_strange_classes(
    base: Path, finished: FinetuneResult, tmp_path: Path
) -> None:
    empty = write_cells(tmp_path / "empty", [cell([], [])] * 4)
    with pytest.raises(UserError, match="No training picture has an object") as caught:
        run(recipe(), base, empty, tmp_path / "work")
    assert caught.value.message_id == "data:no-objects"
    strange = write_cells(tmp_path / "strange", [cell([[1, 1, 20, 20]], ["fork"])])
    with pytest.raises(UserError, match="finds blue, red, the split 'train' holds fork"):
        KIND.evaluate(finished.model_dir, strange, "train", recipe=recipe(), reporter=SilentReporter())
    mixed = write_cells(tmp_path / "mixed", [cell([[1, 1, 20, 20]] * 2, ["fork", "red"])])
    report = KIND.evaluate(finished.model_dir, mixed, "train", recipe=recipe(), reporter=SilentReporter())
    assert report.as_dict()["per_class_ap"]["fork"] == 0.0
    (strange / "train" / "000.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"000\.png .* cannot be decoded"):
        run(recipe(), base, strange, tmp_path / "work")


def test_bases_and_models_of_another_kind(
    base: Path, data: Path, finished: FinetuneResult, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"is no detector: its config\.json describes 'test_resnet'"):
        KIND.predict(base, "photo.png")
    vit = write_base(tmp_path / "vit", "test_vit")
    with pytest.raises(UserError, match="gives no feature maps that a detector can read") as caught:
        run(recipe(), vit, data, tmp_path / "work")
    assert caught.value.message_id == "model:no-maps"
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text(json.dumps({"architectures": ["DetrForObjectDetection"]}))
    with pytest.raises(UserError, match="is one of transformers'"):
        run(recipe(), other, data, tmp_path / "work")
    torn = shutil.copytree(finished.model_dir, tmp_path / "torn")
    weights = (torn / "model.safetensors").read_bytes()
    buffer = io.BytesIO()
    torch.save({"a": torch.zeros(2)}, buffer)
    for bad in (weights[:-100], buffer.getvalue()):
        (torn / "model.safetensors").write_bytes(bad)
        with pytest.raises(UserError, match=r"model\.safetensors cannot be used"):
            load_detector(torn)
    (torn / "model.safetensors").write_bytes(weights)
    config = json.loads((torn / "config.json").read_text())
    for change, message in (
        ({"fcos": config["fcos"] | {"width": 96}}, "model:wrong-weights"),
        ({"fcos": config["fcos"] | {"width": 10**9}}, "model:bad-config"),
        ({"fcos": config["fcos"] | {"taps": []}}, "model:bad-config"),
        (
            {"fcos": config["fcos"] | {"taps": [{"child": "x", "channels": 3, "stride": 8}]}},
            "model:bad-config",
        ),
        ({"num_classes": 9}, "model:bad-config"),
        ({"image_size": 10**6}, "model:bad-config"),
        ({"architecture": "__import__"}, "model:unknown-architecture"),
        ({"label_names": [], "num_classes": 3}, "model:no-labels"),
    ):
        (torn / "config.json").write_text(json.dumps(config | change))
        with pytest.raises(UserError) as refused:
            load_detector(torn)
        assert refused.value.message_id == message


def test_sizes_that_a_detector_cannot_take(data: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "config.json").write_text(
        json.dumps({"architecture": "ssd300_vgg16", "library_name": "torchvision"})
    )
    given = recipe(network=None, init="scratch", dataset={"image_size": 96})
    with pytest.raises(UserError, match="ssd300_vgg16 cannot find objects on 96-pixel images"):
        KIND.prepare(Plan(given, base, data, tmp_path, tmp_path, torch.device("cpu"), SilentReporter()))


def test_a_split_is_parted_by_its_rarest_classes(data: Path) -> None:
    found = read_scenes(data, "train", detection_data(recipe()))
    strata = found.strata
    assert strata[0] == -1
    assert set(strata[1:]) == {0, 1}


def test_the_committed_recipe_is_one_and_fits_its_base() -> None:
    text = (Path(__file__).parents[3] / "recipes" / "images" / "tuxpaint-detection.yaml").read_text()
    given = parse_recipe(text)
    assert (given.task, given.dataset.validation_split) == ("object-detection", "validation")
    spec = FcosSpec(96, 2, taps_of(build_trunk("torchvision", "mobilenet_v2")[0], "mobilenet_v2"))
    assert [(tap.child, tap.channels) for tap in spec.taps] == [("6", 32), ("13", 96), ("18", 1280)]
    assert strides_of(spec) == [8, 16, 32, 64]
