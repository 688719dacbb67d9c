"""Which bases are taken, what of them is checked before anything is built, and what a run publishes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
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
from tests.training.world import write_base
from training.__main__ import main
from training.errors import UserError
from training.finetune import FinetuneResult
from training.recipe import SegmentationData, dump_recipe, parse_recipe
from training.segmentation import decoders
from training.segmentation.models import load_model, prepare_model
from training.tasks import task_kind

ROOT = Path(__file__).parents[3]
KIND = task_kind("semantic-segmentation")


def prepared(base: Path, **given: Any) -> Any:
    usual: dict[str, Any] = {"labels": LABELS, "image_size": SIDE, "decoder": "auto", "scratch": False}
    return prepare_model(base, **usual | given, seed=0)


def test_an_image_nets_weights_are_under_the_decoder(image_net: Path) -> None:
    """Maps of the new net at the stride that both have in common are those of the image net."""
    full, net, backbone = decoders.build("timm", "test_efficientnet", "lraspp", 3)
    assert list(backbone.maps.values()) == ["low", "high"]
    model = prepared(image_net)
    before, after = load_file(image_net / "model.safetensors"), model.net.state_dict()
    for name, tensor in after.items():
        if name.startswith("backbone."):
            old = name.removeprefix("backbone.").replace("block", "blocks.", 1) if "block" in name else name
            assert torch.equal(tensor, before[old.removeprefix("backbone.")]), name
    assert full.state_dict().keys() > {"conv_stem.weight"}
    assert net.state_dict().keys() == after.keys()


def test_dilation_keeps_what_a_net_sees_and_doubles_its_maps() -> None:
    """At every second place of the finer maps stands what the net said before (Chen et al. 2017)."""
    torch.manual_seed(0)
    full, _, told = decoders.build("torchvision", "resnet18", "fcn", 3)
    plain = type(full)(torch_block(full), [2, 2, 2, 2]).eval()
    plain.load_state_dict(full.state_dict())
    images = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        coarse, fine = (maps_of(net, images) for net in (plain, full.eval()))
    assert told.dilated["layer4.0.conv2"] == (2, 2)
    assert (coarse.shape[-1], fine.shape[-1]) == (4, 8)
    torch.testing.assert_close(fine[..., ::2, ::2], coarse, rtol=1e-4, atol=1e-4)


def torch_block(net: torch.nn.Module) -> Any:
    return type(net.get_submodule("layer1.0"))


def maps_of(net: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    for name, child in net.named_children():
        if name == "avgpool":
            break
        images = child(images)
    return images


@pytest.mark.parametrize(
    ("library", "architecture"), [("torchvision", "vgg11"), ("timm", "test_vit"), ("timm", "test_resnet")]
)
def test_nets_without_fitting_maps_are_refused(tmp_path: Path, library: str, architecture: str) -> None:
    if architecture == "vgg11":
        (tmp_path / "config.json").write_text(
            json.dumps({"architecture": "vgg11", "library_name": "torchvision", "num_classes": 2})
        )
        (tmp_path / "model.safetensors").write_bytes(b"")
        base = tmp_path
    else:
        base = write_base(tmp_path / "base", architecture, library)
    with pytest.raises(UserError, match="gives no maps that a decoder can read") as caught:
        prepared(base, scratch=architecture == "vgg11")
    assert caught.value.message_id == "model:no-maps"


def test_the_decoder_is_the_recipes_choice(image_net: Path, squares: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"network\.kind must be one of auto, lraspp, deeplabv3, fcn here"):
        run(masked(network={"kind": "unet"}), image_net, squares, tmp_path)
    with pytest.raises(UserError, match=r"network\.width must be left out"):
        run(masked(network={"kind": "fcn", "width": 8}), image_net, squares, tmp_path)
    own = write_net(tmp_path / "own", "lraspp_mobilenet_v3_large")
    with pytest.raises(UserError, match=r"has a decoder of its own; leave network\.kind at auto, got 'fcn'"):
        run(masked(network={"kind": "fcn"}), own, squares, tmp_path)
    with pytest.raises(UserError, match=r"optim\.batch_size must be at least 2"):
        run(masked(optim={"batch_size": 1}), image_net, squares, tmp_path)


def _changed(base: Path, folder: Path, **changes: Any) -> Path:
    shutil.copytree(base, folder)
    config = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_weights_that_do_not_fit_are_refused_in_a_sentence(
    image_net: Path, learned: FinetuneResult, tmp_path: Path
) -> None:
    def refused(folder: Path, said: str, load: Any = load_model) -> None:
        with pytest.raises(UserError, match=said):
            load(folder)

    torn = _changed(learned.model_dir, tmp_path / "torn")
    whole = (torn / "model.safetensors").read_bytes()
    (torn / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    refused(torn, "its tensors overlap or leave the file")
    (torn / "model.safetensors").rename(torn / "pytorch_model.bin")
    refused(torn, "pytorch_model.bin is a pickle, which can run code")
    refused(torn, "pytorch_model.bin is a pickle, which can run code", prepared)
    other = _changed(learned.model_dir, tmp_path / "other", architecture="fcn")
    refused(other, "model.safetensors does not hold a fcn: classifier.0.weight is missing")
    fewer = _changed(learned.model_dir, tmp_path / "fewer", num_classes=2, label_names=["a", "b"])
    refused(fewer, r"low_classifier.weight has the shape \[3, 32, 1, 1\] where \[2, 32, 1, 1\] is needed")
    refused(image_net, "The model is a test_efficientnet, which tells no class a pixel")
    nameless = _changed(learned.model_dir, tmp_path / "nameless", label_names=[])
    refused(nameless, "names no labels")
    for backbone in ({"library": "os", "architecture": "system"}, {"library": 3}, [1]):
        strange = _changed(learned.model_dir, tmp_path / "strange", backbone=backbone)
        refused(strange, "not one we build|must name a library and an architecture")
        shutil.rmtree(strange)


def test_other_models_of_transformers_are_refused(tmp_path: Path) -> None:
    base = write_segformer(tmp_path / "base")
    bert = _changed(base, tmp_path / "bert", model_type="bert")
    with pytest.raises(UserError, match="The base model is a 'bert'; of transformers this task takes"):
        prepared(bert)
    for number, change in enumerate(
        ({"depths": [1, 1, 1, 10**9]}, {"hidden_sizes": "wide"}, {"num_channels": 1})
    ):
        with pytest.raises(UserError, match="a field has the wrong type or value"):
            prepared(_changed(base, tmp_path / f"odd-{number}", **change))
    wide = _changed(base, tmp_path / "wide", hidden_sizes=[64, 160, 320, 512])
    with pytest.raises(UserError, match=r"does not hold the segformer of config\.json"):
        prepared(wide)
    pickled = _changed(base, tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(UserError, match="is a pickle"):
        prepared(pickled)


def test_a_segformers_card_says_how_to_use_it(
    squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = write_segformer(tmp_path / "base")
    given = masked(optim={"epochs": 1}, dataset={"max_train_images": 6})
    model_dir = run(given, base, squares, tmp_path / "work").model_dir
    scenes(1)[0][0].save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    known: dict[str, Any] = {}
    config = json.loads((model_dir / "config.json").read_text())
    exec(KIND.usage(str(model_dir), config), known)  # noqa: S102
    assert known["mask"].shape == (40, SIDE)
    assert set(known["mask"].unique().tolist()) <= {0, 1, 2}


def test_the_committed_recipe_is_one() -> None:
    text = (ROOT / "recipes/images/tuxpaint-segmentation.yaml").read_text()
    found = parse_recipe(text)
    assert isinstance(found.dataset, SegmentationData)
    assert found.dataset.labels == ("background", "animals", "food", "plants", "vehicles")
    assert parse_recipe(dump_recipe(found)) == found


def test_from_recipe_to_card_evaluation_and_answer(
    image_net: Path, squares: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = masked(
        base_model={"repo": str(image_net)},
        dataset={"repo": str(squares)},
        benchmark={"repo": str(squares)},
    )
    (tmp_path / "recipe.yaml").write_text(dump_recipe(plain))
    assert main(["finetune", str(tmp_path / "recipe.yaml"), "--out", str(tmp_path / "out")]) == 0
    model_dir = tmp_path / "out" / "model"
    card = (model_dir / "README.md").read_text()
    assert "pipeline_tag: image-segmentation" in card
    assert "library_name: torchvision" in card
    assert "- mean_iou" in card
    assert "mean IoU | **" in card
    assert "IoU by class: ground 0." in card
    assert "IntermediateLayerGetter" in card
    capsys.readouterr()
    assert main(["evaluate", "--model", str(model_dir), "--dataset", str(squares)]) == 0
    assert capsys.readouterr().out.startswith("mean_iou 0.")
    scenes(1)[0][0].save(tmp_path / "scene.png")
    assert main(["predict", "--model", str(model_dir), str(tmp_path / "scene.png")]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert set(answer["shares"]) == set(LABELS)
    assert sum(answer["shares"].values()) == pytest.approx(1)
