"""A classification network without its head, as torchvision's detectors take it: children in a row."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from training import vision
from training.errors import UserError

PROBE = 128
STRIDES = (8, 16, 32)
RESNET = ("conv1", "bn1", "maxpool", "layer1", "layer2", "layer3", "layer4")
EFFICIENT = ("conv_stem", "bn1", "blocks")


@dataclass(frozen=True)
class Tap:
    """A child whose output is read: its name, its channels, and of how many pixels one of its cells is."""

    child: str
    channels: int
    stride: int


def trunk_of(net: nn.Module, architecture: str) -> nn.Module:
    """A module whose children run in order and give maps [B, channels, height, width].

    Of torchvision what it calls `features`, of ResNets the net itself, of timm's EfficientNets and MobileNets
    stem and blocks. Raises `UserError` `model:no-maps` for others.
    """
    children = dict(net.named_children())
    if isinstance(children.get("features"), nn.Sequential):
        return children["features"]
    if all(name in children for name in RESNET):
        return net
    if all(name in children for name in EFFICIENT) and isinstance(children["blocks"], nn.Sequential):
        return nn.Sequential(children["conv_stem"], children["bn1"], *children["blocks"])
    raise _no_maps(architecture)


def trunk_code(children: tuple[str, ...]) -> str:
    """The same in Python, for a card: how `trunk` is had from `net`; `children` are the net's."""
    if "features" in children:
        return "net.features"
    if all(name in children for name in RESNET):
        return "net"
    return "torch.nn.Sequential(net.conv_stem, net.bn1, *net.blocks)"


def taps_of(trunk: nn.Module, architecture: str) -> tuple[Tap, ...]:
    """The last child of each of the strides 8, 16 and 32. Raises `UserError` `model:no-maps`."""
    found: dict[int, Tap] = {}
    trunk.eval()
    maps = torch.zeros(1, 3, PROBE, PROBE, device=next(trunk.parameters()).device)
    with torch.inference_mode():
        for name, child in trunk.named_children():
            maps = child(maps)
            if maps.ndim != 4 or maps.shape[2] != maps.shape[3]:
                break
            stride = PROBE // maps.shape[2]
            if stride > STRIDES[-1]:
                break
            if stride in STRIDES and stride * maps.shape[2] == PROBE:
                found[stride] = Tap(name, maps.shape[1], stride)
            if stride == STRIDES[-1] and name == "layer4":
                break
    if not {16, 32} <= set(found):
        raise _no_maps(architecture)
    return tuple(found[stride] for stride in sorted(found))


def build_trunk(library: str, architecture: str) -> tuple[nn.Module, tuple[str, ...]]:
    """A trunk with random weights, and the names of the whole net's children."""
    net = vision.build_net(library, architecture, 1, PROBE)
    return trunk_of(net, architecture), tuple(name for name, _ in net.named_children())


def _no_maps(architecture: str) -> UserError:
    text = (
        f"{architecture[:100]} gives no feature maps that a detector can read; use a ResNet, a MobileNet, an "
        "EfficientNet, another network that torchvision builds of `features`, or a detector of torchvision's."
    )
    return UserError("model:no-maps", text)
