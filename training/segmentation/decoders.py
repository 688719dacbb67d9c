"""torchvision's decoders on plain image nets: which maps they read, and strides traded for dilation.

A decoder needs finer maps than a classifier: the body's last strides are taken back and its later layers
dilated instead, to an output stride of 16 (Chen et al. 2017, arXiv 1706.05587); its weights stay as they are.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from training import vision
from training.errors import UserError

DECODERS = ("lraspp", "deeplabv3", "fcn")
# Where each net's `features` or stages can be cut into children that run one after the other.
TORCHVISION = re.compile(
    r"mobilenet_v2|mobilenet_v3_(large|small)|efficientnet_(b\d|v2_[sml])|(wide_)?resnet\d+\w*|resnext\w+"
)
STAGES = ("layer1", "layer2", "layer3", "layer4")
LOW, HIGH = 8, 16
PROBE = 128


@dataclass(frozen=True)
class Backbone:
    """What of an image net a decoder reads, as `config.json` tells it.

    `maps`: child to the name the decoder knows it by; `channels`: of these maps; `dilated`: rate and padding
    of each convolution that is no longer as the library builds it.
    """

    library: str
    architecture: str
    maps: dict[str, str]
    channels: tuple[int, ...]
    dilated: dict[str, tuple[int, int]]

    def as_dict(self) -> dict[str, Any]:
        return {
            "library": self.library,
            "architecture": self.architecture,
            "maps": self.maps,
            "channels": list(self.channels),
            "dilated": {name: list(how) for name, how in self.dilated.items()},
        }


def build(
    library: str, architecture: str, decoder: str, classes: int
) -> tuple[nn.Module, nn.Module, Backbone]:
    """The image net as its library builds it, the net under `decoder` that shares its weights, and how.

    Random weights from torch's current seed. Raises `UserError` `model:no-maps` for nets that cannot be cut.
    """
    full = vision.build_net(library, architecture, 1000, 224)
    body = children(full, library, architecture)
    strides = _strides(body, architecture)
    dilated = dilate(body)
    low = [name for name, stride in strides if stride == LOW]
    if not low or strides[-1][1] < HIGH:
        raise no_maps(architecture)
    high = strides[-1][0]
    maps = {low[-1]: "low", high: "high"} if decoder == "lraspp" else {high: "out"}
    from torchvision.models._utils import IntermediateLayerGetter

    layers = IntermediateLayerGetter(body, maps)
    with _refused(architecture), torch.inference_mode():
        found = layers.eval()(torch.zeros(1, 3, PROBE, PROBE))
    channels = tuple(found[name].shape[1] for name in maps.values())
    if found[maps[high]].shape[-1] * HIGH != PROBE:
        raise no_maps(architecture)
    net = assemble(layers, decoder, channels, classes)
    return full, net.eval(), Backbone(library, architecture, maps, channels, dilated)


def assemble(layers: nn.Module, decoder: str, channels: tuple[int, ...], classes: int) -> nn.Module:
    """torchvision's own net of both: images [B, 3, h, w] → `{"out": [B, classes, h, w]}`."""
    from torchvision.models.segmentation import FCN, LRASPP, DeepLabV3
    from torchvision.models.segmentation.deeplabv3 import DeepLabHead
    from torchvision.models.segmentation.fcn import FCNHead

    if decoder == "lraspp":
        return LRASPP(layers, *channels, classes)
    if decoder == "deeplabv3":
        return DeepLabV3(layers, DeepLabHead(channels[0], classes), None)
    return FCN(layers, FCNHead(channels[0], classes), None)


def children(net: nn.Module, library: str, architecture: str) -> nn.Module:
    """The part of an image net before its pooling, as a module whose children run one after the other."""
    known = dict(net.named_children())
    if library == "torchvision" and not TORCHVISION.fullmatch(architecture):
        raise no_maps(architecture)
    if all(name in known for name in STAGES):
        names = list(known)
        return nn.Sequential(OrderedDict((name, known[name]) for name in names[: names.index("layer4") + 1]))
    if library == "torchvision" and isinstance(known.get("features"), nn.Sequential):
        return known["features"]
    blocks = known.get("blocks")
    if library == "timm" and {"conv_stem", "bn1"} <= set(known) and isinstance(blocks, nn.Sequential):
        parts = [("conv_stem", known["conv_stem"]), ("bn1", known["bn1"])]
        return nn.Sequential(OrderedDict([*parts, *((f"block{i}", one) for i, one in enumerate(blocks))]))
    raise no_maps(architecture)


def dilate(body: nn.Module) -> dict[str, tuple[int, int]]:
    """Keep maps at a stride of 16: later strides become 1, what follows is dilated. Tells what was changed.

    The rate of a convolution is by how much finer its input is now than it was.
    """
    changed: dict[str, tuple[int, int]] = {}
    for name, conv, stride in _convolutions(body):
        rate = max(1, stride // HIGH)
        wide, strided = max(conv.kernel_size) > 1, max(conv.stride) > 1
        if stride < HIGH or not (strided or (wide and rate > 1)):
            continue
        # Some pad by themselves, as TensorFlow does; their own padding is none.
        pads_itself = type(conv) is not nn.Conv2d
        padding = 0 if pads_itself else rate * (conv.kernel_size[0] // 2)
        conv.stride, conv.dilation, conv.padding = (1, 1), (rate, rate), (padding, padding)
        changed[name] = (rate, padding)
    return changed


def _convolutions(body: nn.Module) -> list[tuple[str, nn.Conv2d, int]]:
    """Every convolution of the body with the stride of its input, but for those on pooled vectors."""
    found: list[tuple[str, nn.Conv2d, int]] = []
    hooks = []
    for name, module in body.named_modules():
        if isinstance(module, nn.Conv2d):

            def hear(conv: nn.Conv2d, given: tuple[torch.Tensor], name: str = name) -> None:
                if given[0].shape[-1] > 1:
                    found.append((name, conv, PROBE // int(given[0].shape[-1])))

            hooks.append(module.register_forward_pre_hook(hear))
    try:
        with torch.inference_mode():
            body.eval()(torch.zeros(1, 3, PROBE, PROBE))
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _strides(body: nn.Module, architecture: str) -> list[tuple[str, int]]:
    """Every child with the stride of its output, in the order in which they run."""
    found: list[tuple[str, int]] = []
    maps = torch.zeros(1, 3, PROBE, PROBE)
    with _refused(architecture), torch.inference_mode():
        for name, child in body.eval().named_children():
            maps = child(maps)
            found.append((name, PROBE // int(maps.shape[-1])))
    return found


@contextmanager
def _refused(architecture: str) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError):
        raise no_maps(architecture) from None


def no_maps(architecture: str) -> UserError:
    text = (
        f"The architecture {architecture[:100]} gives no maps that a decoder can read; take a MobileNet, "
        "EfficientNet or ResNet, or a segmentation net."
    )
    return UserError("model:no-maps", text)
