"""Heads that are not the architecture's own: a hidden layer, and pooling past the base's dense layers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models.vgg import VGG

from tests.training.world import SIZE, recipe, write_base
from training import learning, model, vision
from training.errors import UserError
from training.imageusage import usage_of
from training.recipe import HeadSpec, RecipeError, StrategySpec
from training.spec import ModelSpec, write_spec
from training.weights import load_weights, read_header, write_weights

LABELS = ["ant", "bee", "cow"]
DENSE = HeadSpec(hidden=24)
POOLED = HeadSpec(hidden=24, pooling="average")


def prepare(
    base: Path, head: HeadSpec, *, scratch: bool = False, labels: list[str] = LABELS
) -> model.Network:
    return model.prepare_network(base, labels=labels, image_size=None, scratch=scratch, seed=0, head=head)


def published(base: Path, head: HeadSpec, folder: Path) -> model.Network:
    """Only the head learns: a saved model, as the loop would leave it."""
    network = prepare(base, head)
    learning.freeze(network, StrategySpec(kind="head"))
    with torch.no_grad():
        for parameter in network.net.get_submodule(network.head).parameters():
            parameter.add_(0.1)
    model.save_network(network, folder, base_dir=base)
    network.net.eval()
    return network


def logits(net: nn.Module) -> torch.Tensor:
    images = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        return net(images)


def by_the_cards_lines(folder: Path, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """The network that the card's own Python makes of a published directory."""
    config = json.loads((folder / "config.json").read_text())
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda repo, name: str(folder / name))
    space: dict[str, nn.Module] = {}
    exec(usage_of("you/net", config), space)  # noqa: S102 (our own lines)
    return space["net"].eval()


@pytest.fixture
def small_vgg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torchvision's VGG class, narrow: the real one's dense layers weigh 500 MB."""

    def build(name: str, num_classes: int, image_size: int) -> nn.Module:
        maps = nn.Sequential(nn.Conv2d(3, 12, 3, 2), nn.ReLU(), nn.Conv2d(12, 20, 3, 2), nn.ReLU())
        net = VGG(maps, num_classes=num_classes, init_weights=False)
        net.classifier = nn.Sequential(
            nn.Linear(20 * 49, 32), nn.ReLU(), nn.Dropout(), nn.Linear(32, num_classes)
        )
        return net

    monkeypatch.setattr(vision, "_build_torchvision", build)
    monkeypatch.setattr("torchvision.models.get_model", lambda name, num_classes: build(name, num_classes, 0))
    return write_base(tmp_path / "base", "vgg16", "torchvision")


@pytest.mark.parametrize(("library", "architecture"), [("timm", "test_resnet"), ("torchvision", "resnet18")])
def test_a_hidden_layer_is_saved_and_loads_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, architecture: str
) -> None:
    base = write_base(tmp_path / "base", architecture, library)
    network = published(base, DENSE, tmp_path / "out")
    head = network.net.get_submodule("fc")
    assert isinstance(head, nn.Sequential)
    assert [type(layer) for layer in head] == [nn.Linear, nn.ReLU, nn.Linear]
    assert json.loads((tmp_path / "out/config.json").read_text())["head"] == {
        "name": "fc",
        "hidden": 24,
        "pooling": "own",
    }
    back = model.load_network(tmp_path / "out")
    torch.testing.assert_close(logits(back.net), logits(network.net), rtol=0, atol=0)
    stock = by_the_cards_lines(tmp_path / "out", monkeypatch)
    torch.testing.assert_close(logits(stock), logits(network.net), rtol=1e-5, atol=1e-5)


def test_the_bases_old_head_stays_behind_and_its_body_is_the_same_bytes(base: Path, tmp_path: Path) -> None:
    published(base, DENSE, tmp_path)
    old, new = read_header(base / "model.safetensors"), read_header(tmp_path / "model.safetensors")
    assert [name for name in new if name not in old] == [
        "fc.0.weight",
        "fc.0.bias",
        "fc.2.weight",
        "fc.2.bias",
    ]
    assert [name for name in old if name not in new] == ["fc.weight", "fc.bias"]
    before, after = load_weights(base / "model.safetensors"), load_weights(tmp_path / "model.safetensors")
    assert all(torch.equal(before[name], after[name]) for name in old if name in new)


def test_a_hidden_head_learns_on_or_is_drawn_anew(base: Path, tmp_path: Path) -> None:
    first = published(base, DENSE, tmp_path)
    again = prepare(tmp_path, DENSE)
    torch.testing.assert_close(logits(again.net.eval()), logits(first.net), rtol=0, atol=0)
    plain = prepare(tmp_path, HeadSpec())
    assert isinstance(plain.net.get_submodule("fc"), nn.Linear)
    other = prepare(tmp_path, DENSE, labels=["yak", "zebra"])
    assert logits(other.net.eval()).shape == (2, 2)
    assert not torch.equal(other.net.get_submodule("fc.0").weight, first.net.get_submodule("fc.0").weight)
    scratch = prepare(base, DENSE, scratch=True)
    assert logits(scratch.net.eval()).shape == (2, 3)


def test_the_same_seed_draws_the_same_head(base: Path) -> None:
    one, other = (prepare(base, DENSE).net.get_submodule("fc").state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)
    # Hidden units start alive and the last layer undecided.
    assert float(one["0.weight"].std()) > 5 * float(one["2.weight"].std()) > 0


def test_pooling_passes_the_dense_layers_by(
    small_vgg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = published(small_vgg, POOLED, tmp_path / "out")
    assert network.num_features == 20
    names = list(read_header(tmp_path / "out/model.safetensors"))
    assert [name for name in names if name.startswith("classifier")] == [
        "classifier.0.weight",
        "classifier.0.bias",
        "classifier.2.weight",
        "classifier.2.bias",
    ]
    head = network.net.get_submodule("classifier")
    features = network.net.get_submodule("features")
    images = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        by_hand = head(features(images).mean(dim=(2, 3)))
    torch.testing.assert_close(logits(network.net), by_hand)
    torch.testing.assert_close(logits(model.load_network(tmp_path / "out").net), by_hand)
    stock = by_the_cards_lines(tmp_path / "out", monkeypatch)
    torch.testing.assert_close(logits(stock), by_hand, rtol=1e-5, atol=1e-5)
    # What was published without dense layers is a base without them, whatever the next recipe says.
    assert prepare(tmp_path / "out", HeadSpec()).num_features == 20


def test_a_vgg_of_timm_without_its_dense_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = without_top(tmp_path / "base", "vgg11", "timm")
    network = published(base, POOLED, tmp_path / "out")
    assert network.head == "head.fc"
    torch.testing.assert_close(
        logits(model.load_network(tmp_path / "out").net), logits(network.net), rtol=0, atol=0
    )
    with torch.device("meta"):
        usual = vision.build_net("timm", "vgg11", 3, SIZE)
    monkeypatch.setattr("timm.create_model", lambda name, num_classes: usual.to_empty(device="cpu"))
    stock = by_the_cards_lines(tmp_path / "out", monkeypatch)
    torch.testing.assert_close(logits(stock), logits(network.net), rtol=1e-5, atol=1e-5)


def without_top(folder: Path, architecture: str, library: str) -> Path:
    """A base that holds the convolutions only, as Keras calls it: include_top=False."""
    folder.mkdir(parents=True)
    torch.manual_seed(7)
    with torch.device("meta"):
        net = vision.build_net(library, architecture, 1, SIZE)
    maps = {
        name: torch.randn(item.shape) * 0.05
        for name, item in net.state_dict().items()
        if name.startswith("features.")
    }
    write_weights(folder / "model.safetensors", maps)
    write_spec(folder, ModelSpec(architecture, library, 0, image_size=SIZE, pooling="average"), 512)
    return folder


def test_networks_without_dense_layers_keep_their_own_pooling(base: Path) -> None:
    with pytest.raises(UserError, match="leave it at own for test_resnet") as caught:
        prepare(base, POOLED)
    assert caught.value.message_id == "model:no-maps"


@pytest.mark.parametrize("head", [{"hidden": 0}, {"hidden": "many"}, {"pooling": "max"}, {"hidden": 10**6}])
def test_a_config_with_an_impossible_head_is_refused(
    base: Path, tmp_path: Path, head: dict[str, object]
) -> None:
    published(base, DENSE, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "head": head}))
    with pytest.raises(UserError, match="its head must have"):
        model.load_network(tmp_path)


def test_recipes_say_what_a_head_may_be() -> None:
    assert recipe(strategy={"head": {"hidden": 1024}}).strategy.head == HeadSpec(hidden=1024)
    with pytest.raises(RecipeError, match=r"strategy\.head\.hidden must be at least 1"):
        recipe(strategy={"head": {"hidden": 0}})
    with pytest.raises(RecipeError, match=r"strategy\.head is for images"):
        recipe(task="text-classification", dataset={"text_column": "text"}, strategy={"head": {"hidden": 8}})
