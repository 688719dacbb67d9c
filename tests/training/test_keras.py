"""Keras files as base models: they learn, resume, are published and load back with Keras alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.kerasworld import keras_library, write_base
from tests.training.world import Listener, recipe
from training import model
from training.data import read_split
from training.errors import Interrupted, UserError
from training.evaluate import evaluate, outputs_on
from training.finetune import FinetuneResult, finetune
from training.images import open_image, to_pixels
from training.imageusage import usage_of
from training.predict import predict
from training.publish import MODEL_OUTPUTS
from training.recipe import HeadSpec
from training.reporting import SilentReporter

# Keras asks NumPy for arrays of torch tensors in the old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

HEAD = {"strategy": {"kind": "head"}, "optim": {"epochs": 40, "lr": 0.02, "name": "adam"}}
FULL: dict[str, Any] = {"strategy": {"kind": "full"}, "optim": {"epochs": 6, "lr": 0.02, "name": "adam"}}


@pytest.fixture(scope="module")
def keras_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("keras"))


def run(given: dict[str, Any], base: Path, data: Path, work: Path, listener: Any = None) -> FinetuneResult:
    return finetune(
        recipe(**given), base_dir=base, data_dir=data, work_dir=work, reporter=listener or SilentReporter()
    )


def tensors_of(model_dir: Path) -> list[np.ndarray]:
    net = keras_library().saving.load_model(model_dir / "model.keras", safe_mode=True)
    # Keras does not keep the seeds of dropout: they are drawn at every load.
    return [item.numpy() for item in net.variables if "seed" not in item.path]


def assert_keras_agrees(model_dir: Path, data: Path) -> None:
    """Stock Keras on plain pixels gives the probabilities of our own path."""
    network = model.load_network(model_dir)
    split = read_split(data, "test")
    pictures = [source for _, source in split.rows.images(set(range(len(split))))]
    planes = [to_pixels(open_image(one, "test"), network.spec.geometry) for one in pictures]
    pixels = torch.from_numpy(np.stack(planes))
    config = json.loads((model_dir / "config.json").read_text())
    how = config["keras"]
    images = pixels.float() * (1.0 if how["pixels"] == "0..255" else 1 / 255)
    if how["channels"] == 1:
        red, green, blue = images.unbind(1)
        images = (0.299 * red + 0.587 * green + 0.114 * blue).unsqueeze(1)
    if how["data_format"] == "channels_last":
        images = images.permute(0, 2, 3, 1)
    net = keras_library().saving.load_model(model_dir / how["file"], safe_mode=True)
    with torch.inference_mode():
        theirs = net(images, training=False)
    ours = outputs_on(network, split, SilentReporter()).softmax(1)
    torch.testing.assert_close(ours, theirs.cpu(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("given", [HEAD, FULL], ids=["head", "full"])
def test_a_keras_base_learns_and_stock_keras_loads_the_result(
    keras_base: Path, images: Path, tmp_path: Path, given: dict[str, Any]
) -> None:
    result = run(given, keras_base, images, tmp_path)
    assert sorted(path.name for path in result.model_dir.iterdir()) == [
        "config.json", "model.keras", "preprocessor_config.json",
    ]  # fmt: skip
    assert "model.keras" in MODEL_OUTPUTS
    assert evaluate(result.model_dir, images, "test").accuracy > 0.9
    answers = predict(result.model_dir, images / "test" / "cat" / "000.png")
    assert answers[0]["label"] == "cat"
    assert_keras_agrees(result.model_dir, images)
    config = json.loads((result.model_dir / "config.json").read_text())
    assert (config["library_name"], config["keras"]["pixels"]) == ("keras", "0..255")
    assert "pixels 0..255" in usage_of("me/net", config)


def test_only_what_learns_moves(keras_base: Path, images: Path, tmp_path: Path) -> None:
    before = keras_library().saving.load_model(keras_base / "net.keras")
    for kind, moved in (("head", set()), ("last-stages", {"block2"}), ("full", {"block1", "block2"})):
        given = {"strategy": {"kind": kind, "stages": 1}, "optim": {"epochs": 1, "lr": 0.01}}
        if kind != "last-stages":
            given["strategy"] = {"kind": kind}
        result = run(given, keras_base, images, tmp_path / kind)
        after = keras_library().saving.load_model(result.model_dir / "model.keras")
        changed = set()
        for layer in before.layers:
            if not layer.name.startswith("block"):
                continue
            pairs = zip(layer.weights, after.get_layer(layer.name).weights, strict=True)
            names = {old.name for old, new in pairs if not np.array_equal(old.numpy(), new.numpy())}
            assert not names & {"moving_mean", "moving_variance"}
            changed |= {layer.name[:6]} if names else set()
        assert changed == moved


@pytest.mark.parametrize("given", [HEAD, FULL], ids=["head", "full"])
def test_a_resumed_run_ends_with_the_same_weights(
    keras_base: Path, images: Path, tmp_path: Path, given: dict[str, Any]
) -> None:
    whole = run(given, keras_base, images, tmp_path / "whole")
    stopped = Listener(2, Interrupted())
    with pytest.raises(Interrupted):
        finetune(
            recipe(**given), base_dir=keras_base, data_dir=images, work_dir=tmp_path / "cut",
            reporter=stopped, report_seconds=0,
        )  # fmt: skip
    listener = Listener()
    again = run(given, keras_base, images, tmp_path / "cut", listener)
    assert any("Resuming after step" in line for line in listener.logs)
    expected, found = tensors_of(whole.model_dir), tensors_of(again.model_dir)
    assert len(expected) == 14
    assert all(np.array_equal(one, other) for one, other in zip(expected, found, strict=True))
    assert (whole.model_dir / "model.keras").read_bytes() == (again.model_dir / "model.keras").read_bytes()


@pytest.mark.parametrize(
    "built",
    [
        {"channels": 1, "rescale": False},
        {"top": False},
        {"top": False, "channels": 1, "order": "first"},
    ],
    ids=["grey", "no-top", "channels-first"],
)
def test_other_shapes_of_models_load_back_alike(images: Path, tmp_path: Path, built: dict[str, Any]) -> None:
    base = write_base(tmp_path / "base", **built)
    result = run({**HEAD, "optim": {"epochs": 2}}, base, images, tmp_path / "work")
    assert_keras_agrees(result.model_dir, images)


def test_a_hidden_layer_and_pooled_maps(keras_base: Path, images: Path, tmp_path: Path) -> None:
    strategy = {"kind": "head", "head": {"hidden": 8, "pooling": "average"}}
    result = run({"strategy": strategy, "optim": {"epochs": 2}}, keras_base, images, tmp_path)
    assert_keras_agrees(result.model_dir, images)
    net = keras_library().saving.load_model(result.model_dir / "model.keras")
    assert [layer.name for layer in net.layers][-3:] == ["pooled", "hidden", "predictions"]


def test_a_result_of_the_same_classes_keeps_its_head(keras_base: Path, images: Path, tmp_path: Path) -> None:
    first = run(HEAD, keras_base, images, tmp_path)
    known = model.load_network(first.model_dir)
    again = model.prepare_network(
        first.model_dir, labels=["cat", "dog"], image_size=None, scratch=False, seed=1, head=HeadSpec()
    )
    assert torch.equal(again.net.head.weight, known.net.head.weight)
    other = model.prepare_network(
        first.model_dir, labels=["a", "b", "c"], image_size=None, scratch=False, seed=1, head=HeadSpec()
    )
    assert other.net.head.out_features == 3


def test_gradients_reach_the_first_layer(keras_base: Path) -> None:
    network = model.prepare_network(
        keras_base, labels=["a", "b"], image_size=None, scratch=False, seed=0, head=HeadSpec()
    )
    assert [len(stage) for stage in network.body] == [3, 5]
    network.net(torch.rand(2, 3, 32, 32)).sum().backward()
    grown = [name for name, item in network.net.named_parameters() if item.grad is not None]
    assert grown == [name for name, _ in network.net.named_parameters()]


def test_what_a_keras_base_cannot_do_is_told(keras_base: Path, images: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="takes 32-pixel images"):
        run({**HEAD, "dataset": {"image_size": 64}}, keras_base, images, tmp_path)
    with pytest.raises(UserError, match="init scratch is not for a Keras base"):
        run({"init": "scratch"}, keras_base, images, tmp_path)
