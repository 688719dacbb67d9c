from __future__ import annotations

import base64
import io
import json
import os
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from tests.training.segmentation.world import (
    LABELS,
    SIDE,
    masked,
    run,
    scenes,
    write_net,
    write_segformer,
)
from tests.training.world import Listener, write_base
from training.errors import Interrupted
from training.finetune import FinetuneResult
from training.losses import IGNORED
from training.measures import plots
from training.measures.masks import mean_iou, pixel_confusion
from training.recipe import RecipeError
from training.reporting import SilentReporter
from training.segmentation.loading import Loaded
from training.segmentation.models import Dense, load_model
from training.tasks import task_kind
from training.tasks.semantic_segmentation import SegmentationTask

KIND = task_kind("semantic-segmentation")


def test_squares_are_found(learned: FinetuneResult, squares: Path) -> None:
    assert learned.labels == list(LABELS)
    assert learned.metrics["val/mean_iou"] > 0.6
    report = KIND.evaluate(learned.model_dir, squares, "test", recipe=masked(), reporter=SilentReporter())
    plain = report.as_dict()
    assert (report.metric, report.n) == ("mean_iou", 6)
    assert report.lo < report.value < report.hi
    assert report.value > 0.6
    assert json.loads(json.dumps(plain)) == plain
    assert list(plain["per_class"]) == list(LABELS)
    assert np.mean([row["iou"] for row in plain["per_class"].values()]) == pytest.approx(report.value)
    # Two rows of each mask are of no class and are not counted.
    assert np.sum(plain["confusion"]) == 6 * 38 * SIDE
    drawn = plots.confusion("Pixels", plain["confusion"], plain["labels"])
    assert drawn.startswith("<svg")
    assert "ground" in drawn


def test_the_loss_sequence_at_a_fixed_seed(image_net: Path, squares: Path, tmp_path: Path) -> None:
    listener = Listener()
    result = run(masked(), image_net, squares, tmp_path, listener)
    # Recorded when the task was written (torch 2.14, CPU); other builds round a little differently.
    assert listener.with_means(result.history)[:4] == pytest.approx(RECORDED, rel=0.02)


RECORDED = [1.1146, 0.8469, 0.6155, 0.7874]


@pytest.mark.parametrize("strategy", ["full", "head", "gradual"])
def test_an_interrupted_run_ends_as_the_whole_one(
    image_net: Path, squares: Path, tmp_path: Path, strategy: str
) -> None:
    given = masked(strategy={"kind": strategy}, dataset={"augment": "light"})
    whole, first, second = Listener(), Listener(5, Interrupted()), Listener()
    expected = run(given, image_net, squares, tmp_path / "whole", whole)
    with pytest.raises(Interrupted):
        run(given, image_net, squares, tmp_path / "cut", first)
    found = run(given, image_net, squares, tmp_path / "cut", second)
    assert second.logs[-1].startswith("Resuming after step") or strategy == "gradual"
    assert first.losses() + second.losses() == whole.losses()
    assert found.history == expected.history
    ours, theirs = (load_file(one.model_dir / "model.safetensors") for one in (found, expected))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.fixture
def local_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """The card's code with a directory in the place of a repo."""
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", os.path.join)


BASES = {
    "timm under LR-ASPP": ("timm", "test_efficientnet", "auto"),
    "timm under DeepLabV3": ("timm", "test_efficientnet", "deeplabv3"),
    "torchvision under LR-ASPP": ("torchvision", "mobilenet_v3_small", "lraspp"),
    "torchvision under FCN": ("torchvision", "mobilenet_v2", "fcn"),
    "residual stages": ("torchvision", "resnet18", "lraspp"),
}


@pytest.mark.parametrize("name", BASES)
def test_the_cards_code_gives_the_same_maps(
    squares: Path, tmp_path: Path, name: str, local_hub: None
) -> None:
    library, architecture, decoder = BASES[name]
    base = write_base(tmp_path / "base", architecture, library)
    given = masked(network={"kind": decoder}, optim={"epochs": 1}, dataset={"max_train_images": 6})
    _same_maps(run(given, base, squares, tmp_path / "work").model_dir)


@pytest.mark.parametrize("architecture", ["lraspp_mobilenet_v3_large", "deeplabv3_mobilenet_v3_large"])
def test_torchvisions_own_nets_get_new_classes_only(
    squares: Path, tmp_path: Path, architecture: str, local_hub: None
) -> None:
    base = write_net(tmp_path / "base", architecture)
    given = masked(optim={"epochs": 1}, dataset={"max_train_images": 6}, strategy={"kind": "head"})
    result = run(given, base, squares, tmp_path / "work")
    _same_maps(result.model_dir)
    before, after = (load_file(place / "model.safetensors") for place in (base, result.model_dir))
    assert not [name for name in after if name.startswith("aux_classifier")]
    bodies = [name for name in after if name.startswith("backbone.")]
    assert bodies
    assert all(torch.equal(before[name], after[name]) for name in bodies)


def test_a_segformer_learns_and_loads(squares: Path, tmp_path: Path) -> None:
    from transformers import AutoImageProcessor, AutoModelForSemanticSegmentation

    base = write_segformer(tmp_path / "base")
    result = run(masked(optim={"epochs": 12}), base, squares, tmp_path / "work")
    assert result.metrics["val/mean_iou"] > 0.4
    net = AutoModelForSemanticSegmentation.from_pretrained(result.model_dir)
    assert list(net.config.id2label.values()) == list(LABELS)
    images = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        theirs = net(images).logits
        theirs = torch.nn.functional.interpolate(theirs, (SIDE, SIDE), mode="bilinear")
        torch.testing.assert_close(theirs, _logits(result.model_dir, images), rtol=1e-5, atol=1e-5)
    processor = AutoImageProcessor.from_pretrained(result.model_dir)
    assert processor(Image.new("RGB", (90, 60)), return_tensors="pt")["pixel_values"].shape[2:] == (
        SIDE,
        SIDE,
    )
    report = KIND.evaluate(result.model_dir, squares, "test", recipe=masked(), reporter=SilentReporter())
    assert report.value > 0.3


def test_a_published_model_is_a_base_again(learned: FinetuneResult, squares: Path, tmp_path: Path) -> None:
    listener = Listener()
    run(masked(optim={"epochs": 1}), learned.model_dir, squares, tmp_path, listener)
    # The same classes: the head is kept, and nothing has to be learned anew.
    assert listener.losses()[0][1] < 0.3


def test_an_answer_is_a_mask_of_the_pictures_size(learned: FinetuneResult, tmp_path: Path) -> None:
    picture, mask = scenes(1, 1)[0]
    picture.save(tmp_path / "scene.png")
    found = KIND.predict(learned.model_dir, str(tmp_path / "scene.png"))
    told = np.asarray(Image.open(io.BytesIO(base64.b64decode(found["mask_png"]))))
    assert told.shape == (found["height"], found["width"]) == (40, SIDE)
    assert sum(found["shares"].values()) == pytest.approx(1)
    assert found["shares"]["red"] == pytest.approx((told == 1).mean())
    assert mean_iou(pixel_confusion(np.asarray(mask), told, 3)) > 0.5
    assert json.loads(json.dumps(found)) == found
    assert str(tmp_path) not in json.dumps(found)


@pytest.mark.parametrize("kind", ["cross-entropy", "focal"])
def test_micro_batches_add_up_to_the_mean_over_pixels(kind: str) -> None:
    """Pictures have different numbers of pixels that count; where a batch is cut must not matter."""
    logits, targets = _random_maps()
    task = _task(loss={"kind": kind, "class_weights": "balanced"}, optim={"label_smoothing": 0.1})
    whole = task.step(torch.nn.Identity(), logits, targets)
    pieces = [task.step(torch.nn.Identity(), logits[i : i + 2], targets[i : i + 2]) for i in (0, 2, 4)]
    total = sum(float(one.loss * one.weight) for one in pieces) / sum(int(one.weight) for one in pieces)
    assert float(whole.loss) == pytest.approx(total, rel=1e-6)
    assert int(whole.weight) == int((targets != IGNORED).sum())
    nothing = task.step(torch.nn.Identity(), logits, torch.full_like(targets, IGNORED))
    assert float(nothing.loss) == int(nothing.weight) == 0


def test_rare_classes_weigh_more_by_their_pixels() -> None:
    logits, targets = _random_maps()
    counts = np.array([[900, 90, 9, 1]])
    found = _task(counts, loss={"class_weights": "balanced"}).step(torch.nn.Identity(), logits, targets).loss
    weights = torch.tensor(1000 / (4 * counts[0]), dtype=torch.float32)
    each = torch.nn.functional.cross_entropy(
        logits, targets, weight=weights, ignore_index=IGNORED, reduction="sum"
    )
    assert float(found) == pytest.approx(float(each / (targets != IGNORED).sum()), rel=1e-5)


def test_cached_maps_learn_what_the_plain_loop_learns(
    image_net: Path, squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = masked(strategy={"kind": "head"})
    cached, plain = Listener(), Listener()
    one = run(given, image_net, squares, tmp_path / "cached", cached)
    assert "features" in cached.stages
    monkeypatch.setattr("training.segmentation.maps.MAX_BYTES", 0)
    other = run(given, image_net, squares, tmp_path / "plain", plain)
    assert "features" not in plain.stages
    ours, theirs = ([loss for _, loss in heard.losses()] for heard in (cached, plain))
    assert ours == pytest.approx(theirs, rel=0.02)
    assert one.metrics["val/mean_iou"] == pytest.approx(other.metrics["val/mean_iou"], abs=0.02)


@pytest.mark.parametrize(
    "sections",
    [
        {"strategy": {"kind": "lp-ft", "probe_epochs": 1}},
        {"strategy": {"kind": "last-stages", "stages": 2}},
        {"strategy": {"kind": "full", "l2_sp": 0.01, "lr_decay": 0.8}},
        {"init": "scratch"},
        {"loss": {"kind": "focal"}, "optim": {"ema": 0.9, "label_smoothing": 0.1}},
    ],
)
def test_the_other_remedies_run(
    image_net: Path, squares: Path, tmp_path: Path, sections: dict[str, Any]
) -> None:
    given = masked(**sections, early_stopping={"patience": 2, "metric": "dice"})
    result = run(given, image_net, squares, tmp_path)
    assert result.history[-1]["train/loss"] < result.history[0]["train/loss"]
    assert load_model(result.model_dir).spec.labels == LABELS


def test_recipes_that_contradict_themselves_are_refused() -> None:
    refused: list[tuple[dict[str, Any], str]] = [
        ({"loss": {"kind": "mse"}}, r"loss\.kind must be one of auto, cross-entropy, focal"),
        ({"loss": {"class_weights": "effective"}}, r"loss\.class_weights must be none or balanced"),
        ({"sampling": "balanced"}, r"sampling must be shuffled"),
        ({"strategy": {"kind": "lora"}}, r"strategy\.kind lora is for"),
        ({"strategy": {"head": {"hidden": 8}}}, r"strategy\.head is for images"),
        ({"dataset": {"mix": "cutmix"}}, r"dataset\.mix is not a field"),
        ({"dataset": {"augment": "strong"}}, r"dataset\.augment must be one of none, light"),
        ({"dataset": {"ignore_index": 256}}, r"dataset\.ignore_index must be at most 255"),
    ]
    for sections, said in refused:
        with pytest.raises(RecipeError, match=said):
            masked(**sections)


def test_validation_counts_what_torchmetrics_counts() -> None:
    from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex

    logits, targets = _random_maps()
    task = _task()
    found = task.measure([(logits[:2], targets[:2]), (logits[2:], targets[2:])])
    jaccard = MulticlassJaccardIndex(4, average="macro", ignore_index=IGNORED)
    accuracy = MulticlassAccuracy(4, average="micro", ignore_index=IGNORED)
    assert found["mean_iou"] == pytest.approx(float(jaccard(logits, targets)), abs=1e-6)
    assert found["pixel_accuracy"] == pytest.approx(float(accuracy(logits, targets)), abs=1e-6)
    expected = torch.nn.functional.cross_entropy(logits, targets, ignore_index=IGNORED)
    assert found["loss"] == pytest.approx(float(expected), rel=1e-6)
    assert task.step(torch.nn.Identity(), logits, targets).loss == pytest.approx(float(expected), rel=1e-6)


def _random_maps() -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and targets of six pictures, of which a different part counts each."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 4, 8, 8, generator=generator)
    targets = torch.randint(0, 4, (6, 8, 8), generator=generator)
    for index in range(6):
        targets[index, :index] = IGNORED
    return logits, targets


def _task(counts: np.ndarray | None = None, **sections: Any) -> SegmentationTask:
    empty = torch.zeros(0, dtype=torch.uint8)
    found = np.ones((1, 4), dtype=np.int64) if counts is None else counts
    return SegmentationTask(("a", "b", "c", "d"), masked(**sections), Loaded(empty, empty, found))


def _same_maps(model_dir: Path) -> None:
    """What the card tells to type gives the logits that we give."""
    config = json.loads((model_dir / "config.json").read_text())
    images = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    known: dict[str, Any] = {"images": images}
    with torch.inference_mode():
        exec(KIND.usage(str(model_dir), config), known)  # noqa: S102
        torch.testing.assert_close(known["logits"], _logits(model_dir, images), rtol=1e-5, atol=1e-5)
    assert known["logits"].shape == (2, len(LABELS), SIDE, SIDE)


def _logits(model_dir: Path, images: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = Dense(load_model(model_dir).net)(images)
    return found
