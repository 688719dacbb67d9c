"""transformers' YOLOS: every strategy, and what is published is what the library itself loads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from tests.training.detection.test_object_detection import KIND, STRATEGIES, run
from tests.training.detection.world import recipe, scenes, write_scenes
from tests.training.test_finetune import assert_same_weights
from tests.training.world import Listener
from training.detection.models import load_detector
from training.errors import Interrupted, UserError
from training.finetune import FinetuneResult
from training.language.causal import quiet
from training.reporting import SilentReporter

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}


@pytest.fixture(scope="module")
def yolos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import YolosConfig, YolosForObjectDetection

    torch.manual_seed(1)
    config = YolosConfig(**SIZES, image_size=[64, 64], patch_size=16, num_detection_tokens=6, num_labels=91)
    folder = tmp_path_factory.mktemp("yolos")
    with quiet():
        YolosForObjectDetection(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("blocks")
    return write_scenes(folder, {"train": scenes(33, 0), "test": scenes(8, 1)})


@pytest.fixture(scope="module")
def finished(yolos: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> FinetuneResult:
    given = recipe(network=None, optim={"epochs": 12})
    return run(given, yolos, data, tmp_path_factory.mktemp("finished"))


def test_it_learns_and_is_measured(finished: FinetuneResult, data: Path) -> None:
    assert finished.history[-1]["train/loss"] < 0.9 * finished.history[0]["train/loss"]
    report = KIND.evaluate(
        finished.model_dir, data, "test", recipe=recipe(network=None), reporter=SilentReporter()
    )
    assert set(report.as_dict()["per_class_ap"]) == {"red", "blue"}


def test_transformers_gives_the_same_detections(finished: FinetuneResult) -> None:
    from transformers import AutoImageProcessor, AutoModelForObjectDetection

    with quiet():
        net = AutoModelForObjectDetection.from_pretrained(finished.model_dir).eval()
        processor = AutoImageProcessor.from_pretrained(finished.model_dir)
    image = scenes(3, 4)[2][0]
    with torch.inference_mode():
        found = net(**processor(image, return_tensors="pt"))
        (theirs,) = processor.post_process_object_detection(found, threshold=0.0)
    ours, spec = load_detector(finished.model_dir)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
    with torch.inference_mode():
        (mine,) = ours.detect([pixels])
    assert spec.labels == ("blue", "red") == tuple(net.config.id2label.values())
    assert torch.equal(mine["labels"], theirs["labels"])
    torch.testing.assert_close(mine["scores"], theirs["scores"], rtol=0, atol=1e-5)
    torch.testing.assert_close(mine["boxes"], theirs["boxes"].clamp(0, 1), rtol=0, atol=1e-5)
    config = json.loads((finished.model_dir / "config.json").read_text())
    assert config["library_name"] == "transformers"
    assert "AutoModelForObjectDetection" in KIND.usage("me/blocks", config)


def test_a_picture_of_any_size(finished: FinetuneResult, tmp_path: Path) -> None:
    Image.new("RGB", (90, 40), (200, 10, 10)).save(tmp_path / "wide.png")
    for one in KIND.predict(finished.model_dir, str(tmp_path / "wide.png")):
        assert one["label"] in ("red", "blue")
        assert 0 <= one["box"][0] <= one["box"][2] <= 90


@pytest.mark.parametrize("name", ["full", "head", "last", "lp-ft"])
def test_an_interrupted_run_ends_as_the_whole_one(name: str, yolos: Path, data: Path, tmp_path: Path) -> None:
    given = recipe(network=None, **{"dataset": {}, **STRATEGIES[name]})
    whole, first, second = Listener(), Listener(4, Interrupted()), Listener()
    expected = run(given, yolos, data, tmp_path / "whole", whole)
    with pytest.raises(Interrupted):
        run(given, yolos, data, tmp_path / "cut", first)
    result = run(given, yolos, data, tmp_path / "cut", second)
    assert first.losses() + second.losses() == whole.losses()
    assert_same_weights(result, expected)
    if name == "head":
        ours, theirs = (
            load_file(result.model_dir / "model.safetensors"),
            load_file(yolos / "model.safetensors"),
        )
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs if key.startswith("vit."))


def test_files_that_do_not_fit_are_refused(yolos: Path, data: Path, tmp_path: Path) -> None:
    config, weights = json.loads((yolos / "config.json").read_text()), load_file(yolos / "model.safetensors")
    for change, message in (
        ({"hidden_size": 10**9}, "model:bad-config"),
        ({"num_hidden_layers": 10**6}, "model:bad-config"),
        ({"image_size": "large"}, "model:bad-config"),
        ({"num_hidden_layers": 4}, "model:wrong-weights"),
    ):
        broken = tmp_path / "broken"
        broken.mkdir(exist_ok=True)
        (broken / "config.json").write_text(json.dumps(config | change))
        save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(UserError) as caught:
            run(recipe(network=None), broken, data, tmp_path / "work")
        assert caught.value.message_id == message
    with pytest.raises(UserError, match="the base model is a detector"):
        run(recipe(), yolos, data, tmp_path / "work")
