"""The only importer of torchvision and timm: networks by allow-listed name, never code from a repo."""

from __future__ import annotations

import re
import warnings
from typing import Any

from torch import nn

from training.errors import UserError

# Two outputs while training (inception, googlenet) or no linear head (squeezenet).
EXCLUDED = ("inception_v3", "googlenet", "squeezenet1_0", "squeezenet1_1")
TIMM_NAME = re.compile(r"[a-z0-9_]{2,100}(\.[a-z0-9_]{1,100})?")
STAGE = re.compile(
    r"(features\.[^.]+|encoder\.layers\.[^.]+|trunk_output\.[^.]+|blocks\.\d+|stages\.\d+|layers\.\d+"
    r"|layer\d+|stage\d+|s\d+)\."
)


def build_net(library: str, architecture: str, num_classes: int, image_size: int) -> nn.Module:
    """A randomly initialised network [B, 3, size, size] → [B, num_classes], from torch's current seed."""
    builder = {"torchvision": _build_torchvision, "timm": _build_timm}.get(library)
    net = builder(architecture, num_classes, image_size) if builder else None
    if net is None:
        name = f"{architecture[:100]!r} of {library[:20]!r}"
        text = f"The architecture {name} is not one we build for image classification."
        raise UserError("model:unknown-architecture", text)
    return net


def _build_torchvision(name: str, num_classes: int, image_size: int) -> nn.Module | None:
    from torchvision import models

    if name in EXCLUDED or name not in models.list_models(module=models):
        return None
    # Vision transformers hold one position per patch; all others take any size.
    extra: dict[str, Any] = {"image_size": image_size} if name.startswith("vit_") else {}
    extra |= {"input_size": (image_size, image_size)} if name.startswith("maxvit") else {}
    try:
        return models.get_model(name, weights=None, num_classes=num_classes, **extra)
    except (AssertionError, ValueError, RuntimeError):
        raise _wrong_size(name, image_size) from None


def _build_timm(name: str, num_classes: int, image_size: int) -> nn.Module | None:
    import timm

    if not TIMM_NAME.fullmatch(name) or not timm.is_model(name):
        return None
    default = timm.get_pretrained_cfg(name)
    extra: dict[str, Any] = (
        {"img_size": image_size} if default is not None and default.fixed_input_size else {}
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return timm.create_model(name, pretrained=False, num_classes=num_classes, **extra)
    except (AssertionError, ValueError, RuntimeError, TypeError):
        raise _wrong_size(name, image_size) from None


def head_name(net: nn.Module) -> str:
    """Name of the linear layer that gives the logits: the last one that is asked for."""
    default = getattr(net, "default_cfg", None)
    classifier = default.get("classifier") if isinstance(default, dict) else None
    if classifier is not None:
        # A pair of names is a distilled net with two heads, which one layer cannot replace.
        name = classifier if isinstance(classifier, str) else ""
    else:
        linear = [name for name, module in net.named_modules() if isinstance(module, nn.Linear)]
        name = linear[-1] if linear else ""
    if not name or not isinstance(net.get_submodule(name), nn.Linear):
        raise UserError("model:no-head", "The network has no linear classification head to replace.")
    return name


def stages(net: nn.Module, head: str) -> list[list[str]]:
    """Parameter names of the body from input to output, a list a stage; the head is left out.

    A stage is what the architecture calls so (`layer4`, `features.17`, `encoder.layers.encoder_layer_11`);
    parameters before the first one form a stage too, those behind one (a last norm) belong to it.
    """
    groups: list[list[str]] = []
    current = None
    for name, _ in net.named_parameters():
        if name.startswith(head + "."):
            continue
        found = STAGE.match(name)
        key = found.group(1) if found else current
        if not groups or (found and key != current):
            groups.append([])
        groups[-1].append(name)
        current = key
    return groups


def takes_any_size(net: nn.Module) -> bool:
    """False for networks with learnt positions, whose weights fit one image size only."""
    fixed = ("pos_embed", "pos_embedding", "relative_position_bias_table")
    return not any(name.endswith(fixed) for name, _ in net.named_parameters())


def head_width(net: nn.Module, head: str) -> int:
    """Number of features the head reads."""
    layer = net.get_submodule(head)
    first = layer[0] if isinstance(layer, nn.Sequential) else layer
    assert isinstance(first, nn.Linear)
    return first.in_features


def _wrong_size(name: str, image_size: int) -> UserError:
    return UserError(
        "model:image-size", f"The architecture {name} cannot be built for {image_size}-pixel images."
    )
