from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.training.world import SIZE, write_base
from training import learning, model, vision
from training.errors import UserError
from training.recipe import StrategySpec
from training.spec import read_spec
from training.weights import load_weights, read_header, write_weights

LABELS = ["ant", "bee", "cow"]


def prepare(base: Path, **changes: object) -> model.Network:
    given = {"labels": LABELS, "image_size": None, "scratch": False, "seed": 0, **changes}
    return model.prepare_network(base, **given)  # type: ignore[arg-type]


def refusal(base: Path, **changes: object) -> UserError:
    with pytest.raises(UserError) as caught:
        prepare(base, **changes)
    return caught.value


def rewrite_config(base: Path, **changes: object) -> None:
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, **changes}))


def test_the_head_is_replaced_and_the_body_kept(base: Path) -> None:
    network = prepare(base)
    head = network.net.get_submodule(network.head)
    assert isinstance(head, nn.Linear)
    assert head.out_features == 3
    old = load_weights(base / "model.safetensors")
    for name, tensor in network.net.state_dict().items():
        if not name.startswith(network.head + "."):
            assert torch.equal(tensor, old[name])
    assert network.net(torch.zeros(2, 3, SIZE, SIZE)).shape == (2, 3)


def test_a_head_for_the_same_classes_is_kept(tmp_path: Path) -> None:
    base = write_base(tmp_path, labels=tuple(LABELS))
    old = load_weights(base / "model.safetensors")
    network = prepare(base)
    assert torch.equal(network.net.get_submodule(network.head).weight, old[network.head + ".weight"])
    turned = prepare(base, labels=LABELS[::-1])
    assert not torch.equal(turned.net.get_submodule(turned.head).weight, old[network.head + ".weight"])


def test_scratch_keeps_the_architecture_only(base: Path) -> None:
    old = load_weights(base / "model.safetensors")
    state = prepare(base, scratch=True).net.state_dict()
    assert list(state) == list(prepare(base).net.state_dict())
    assert not torch.equal(state["conv1.0.weight"], old["conv1.0.weight"])
    again, other = prepare(base, scratch=True, seed=0), prepare(base, scratch=True, seed=1)
    assert torch.equal(state["conv1.0.weight"], again.net.state_dict()["conv1.0.weight"])
    assert not torch.equal(state["conv1.0.weight"], other.net.state_dict()["conv1.0.weight"])


@pytest.mark.parametrize(
    ("library", "architecture", "first", "last"),
    [
        ("torchvision", "mobilenet_v2", "features.0.0.weight", "features.18.1.bias"),
        ("torchvision", "resnet18", "conv1.weight", "layer4.1.bn2.bias"),
        ("torchvision", "convnext_tiny", "features.0.0.weight", "classifier.0.bias"),
        ("torchvision", "vit_b_32", "class_token", "encoder.ln.bias"),
        ("timm", "test_resnet", "conv1.0.weight", "layer4.0.downsample.2.bias"),
        ("timm", "test_vit", "cls_token", "norm.bias"),
        ("timm", "test_efficientnet", "conv_stem.weight", "bn2.bias"),
        ("timm", "test_convnext", "stem.0.weight", "head.norm.bias"),
    ],
)
def test_stages_run_from_input_to_output(library: str, architecture: str, first: str, last: str) -> None:
    net = vision.build_net(library, architecture, 4, 96)
    head = vision.head_name(net)
    stages = vision.stages(net, head)
    flat = [name for stage in stages for name in stage]
    assert len(stages) >= 3
    assert (flat[0], flat[-1]) == (first, last)
    assert sorted([*flat, head + ".weight", head + ".bias"]) == sorted(
        name for name, _ in net.named_parameters()
    )


def test_last_stages_learn_and_frozen_statistics_stand_still(base: Path) -> None:
    network = prepare(base)
    names = learning.freeze(network, StrategySpec(kind="last-stages", stages=1))
    assert len(names) == 2
    learning.set_learning_mode(network)
    before = {name: item.clone() for name, item in network.net.state_dict().items()}
    network.net(torch.randn(4, 3, SIZE, SIZE))
    after = network.net.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all(name.startswith("layer4.") for name in moved)
    assert moved < set(learning.changed_state(network))


def test_head_only_touches_nothing_else(base: Path, tmp_path: Path) -> None:
    network = prepare(base)
    learning.freeze(network, StrategySpec(kind="head"))
    assert set(learning.changed_state(network)) == {network.head + ".weight", network.head + ".bias"}
    model.save_network(network, tmp_path, base_dir=base)
    old, new = base / "model.safetensors", tmp_path / "model.safetensors"
    assert list(read_header(old)) == list(read_header(new))
    for name, entry in read_header(old).items():
        if not name.startswith(network.head + "."):
            made = read_header(new)[name]
            assert old.read_bytes()[entry.start : entry.stop] == new.read_bytes()[made.start : made.stop]


def test_half_precision_bases_keep_their_frozen_bytes(base: Path, tmp_path: Path) -> None:
    whole = load_weights(base / "model.safetensors")
    narrow = {name: item.half() if item.is_floating_point() else item for name, item in whole.items()}
    (tmp_path / "config.json").write_text((base / "config.json").read_text())
    write_weights(tmp_path / "model.safetensors", narrow)
    network = prepare(tmp_path)
    learning.freeze(network, StrategySpec(kind="head"))
    model.save_network(network, tmp_path / "out", base_dir=tmp_path)
    saved = load_weights(tmp_path / "out" / "model.safetensors")
    assert saved["conv1.0.weight"].dtype == torch.float16
    assert saved[network.head + ".weight"].dtype == torch.float32
    assert model.load_network(tmp_path / "out").net.conv1[0].weight.dtype == torch.float32


def test_timm_reads_a_result_with_its_own_loader(base: Path, tmp_path: Path) -> None:
    import timm

    network = prepare(base)
    model.save_network(network, tmp_path, base_dir=base)
    theirs = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
    images = torch.randn(2, 3, SIZE, SIZE)
    with torch.inference_mode():
        assert torch.equal(theirs(images), network.net.eval()(images))
    assert theirs.pretrained_cfg["label_names"] == LABELS
    assert theirs.pretrained_cfg["mean"] == [0.5, 0.5, 0.5]


def test_spec_and_preprocessor_survive_writing(base: Path, tmp_path: Path) -> None:
    network = prepare(base, image_size=48)
    model.save_network(network, tmp_path, base_dir=base)
    assert read_spec(tmp_path) == network.spec
    assert network.spec.labels == tuple(LABELS)
    preprocessor = json.loads((tmp_path / "preprocessor_config.json").read_text())
    assert preprocessor["crop_size"] == {"height": 48, "width": 48}
    assert preprocessor["image_std"] == [0.25, 0.25, 0.25]


@pytest.mark.parametrize(
    ("changes", "message_id"),
    [
        ({"architecture": "no_such_net"}, "model:unknown-architecture"),
        ({"architecture": "hf-hub:evil/repo"}, "model:unknown-architecture"),
        ({"architecture": "local-dir:/tmp"}, "model:unknown-architecture"),
        ({"architecture": "../../evil"}, "model:unknown-architecture"),
        ({"architecture": "mobilenet_v2", "library_name": "torchvision"}, "model:wrong-weights"),
        (
            {"architecture": "fasterrcnn_resnet50_fpn", "library_name": "torchvision"},
            "model:unknown-architecture",
        ),
        ({"library_name": "transformers"}, "model:bad-config"),
        ({"architecture": 5}, "model:bad-config"),
        ({"num_classes": 10**9}, "model:bad-config"),
        ({"num_classes": "many"}, "model:bad-config"),
        ({"num_classes": 11}, "model:wrong-weights"),
        ({"label_names": ["a", "a"]}, "model:bad-config"),
        ({"label_names": [["a"]]}, "model:bad-config"),
        ({"image_size": 10**6}, "model:bad-config"),
        ({"mean": [0, "x", 1]}, "model:bad-config"),
        ({"std": [0, 0, 0]}, "model:bad-config"),
        ({"model_args": {"depth": 10**6}}, "model:bad-config"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(
    tmp_path: Path, changes: dict[str, object], message_id: str
) -> None:
    base = write_base(tmp_path)
    rewrite_config(base, **changes)
    assert refusal(base).message_id == message_id


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 50_000, '"x"'])
def test_a_broken_config_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    assert refusal(tmp_path).message_id == "model:bad-config"


def test_missing_files_are_told(tmp_path: Path) -> None:
    assert refusal(tmp_path).message == "The base model has no config.json."
    write_base(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    assert refusal(tmp_path).message == "The base model has no model.safetensors."


@pytest.mark.parametrize("change", ["missing", "shape", "extra"])
def test_weights_of_another_network_are_refused(tmp_path: Path, change: str) -> None:
    base = write_base(tmp_path)
    state = load_weights(base / "model.safetensors")
    name = "conv1.0.weight"
    if change == "missing":
        state.pop(name)
    else:
        state[name if change == "shape" else "extra"] = torch.zeros(2)
    write_weights(base / "model.safetensors", state)
    assert refusal(base).message.startswith("model.safetensors does not hold a test_resnet: ")


def test_learnt_positions_fix_the_image_size(tmp_path: Path) -> None:
    base = write_base(tmp_path, "vit_b_32", "torchvision")
    assert refusal(base, image_size=64).message_id == "model:image-size"


def test_two_heads_are_refused(tmp_path: Path) -> None:
    base = write_base(tmp_path)
    rewrite_config(base, architecture="levit_128s", image_size=224)
    assert refusal(base, scratch=True).message_id == "model:no-head"


def test_an_image_too_small_for_the_network_is_refused(tmp_path: Path) -> None:
    base = write_base(tmp_path)
    rewrite_config(base, architecture="alexnet", library_name="torchvision")
    text = "alexnet cannot tell 3 classes apart on 32-pixel images."
    assert refusal(base, scratch=True).message == text


def test_a_headless_backbone_gets_a_head(base: Path, tmp_path: Path) -> None:
    whole = load_weights(base / "model.safetensors")
    write_weights(tmp_path / "model.safetensors", {k: v for k, v in whole.items() if not k.startswith("fc.")})
    config = json.loads((base / "config.json").read_text())
    config["num_classes"] = config["pretrained_cfg"]["num_classes"] = 0
    (tmp_path / "config.json").write_text(json.dumps(config))
    network = prepare(tmp_path)
    model.save_network(network, tmp_path / "out", base_dir=tmp_path)
    assert model.load_network(tmp_path / "out").net(torch.zeros(1, 3, SIZE, SIZE)).shape == (1, 3)


def test_no_pickle_module_is_needed_to_load(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("torch.load was called")

    monkeypatch.setattr(torch, "load", forbidden)
    assert "torch" in sys.modules
    model.load_network(base)
