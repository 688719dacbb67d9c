"""The layers that give a network's outputs: made, drawn, and put into the units of what they tell."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.errors import UserError
from training.spec import Scale


def new_head(features: int, outputs: int, hidden: int | None) -> nn.Module:
    """A linear layer, or two with a ReLU between them where `hidden` is how many units the first one has."""
    if hidden is None:
        return nn.Linear(features, outputs)
    return nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


def average_maps(net: nn.Module, architecture: str) -> tuple[str, int]:
    """Let the head read the mean of the last feature maps, past the dense layers before it.

    Returns the head's name and width; a new head has to be put there. Raises `UserError` for networks that
    have no such layers: their own head reads that mean already, or something that is no map.
    """
    features = net.get_submodule("features") if type(net).__name__ in ("VGG", "AlexNet") else nn.Identity()
    maps = [module.out_channels for module in features.modules() if isinstance(module, nn.Conv2d)]
    if not maps:
        text = "strategy.head.pooling average is for networks with dense layers of their own, such as VGG"
        text = f"{text}; leave it at own for {architecture}."
        raise UserError("model:no-maps", text)
    if hasattr(net, "pre_logits"):
        net.pre_logits = nn.Identity()
        return "head.fc", maps[-1]
    net.avgpool = nn.AdaptiveAvgPool2d(1)
    return "classifier", maps[-1]


def draw(features: int, outputs: int, hidden: int | None, seed: int) -> nn.Module:
    """A new head with weights from `seed`: the last ones small, hidden ones by He et al. (2015)."""
    head = new_head(features, outputs, hidden)
    generator = torch.Generator().manual_seed(seed)
    last = last_layer(head)
    with torch.no_grad():
        last.weight.normal_(0.0, 0.01, generator=generator)
        last.bias.zero_()
        if isinstance(head, nn.Sequential) and isinstance(head[0], nn.Linear):
            nn.init.kaiming_normal_(head[0].weight, nonlinearity="relu", generator=generator)
            head[0].bias.zero_()
    return head


def last_layer(head: nn.Module) -> nn.Linear:
    """The linear layer that gives the outputs."""
    layer = head[-1] if isinstance(head, nn.Sequential) else head
    assert isinstance(layer, nn.Linear)
    return layer


def unfold(head: nn.Module, scale: Scale) -> None:
    """The opposite of `folded`, in place: outputs in their own units become standardised ones."""
    layer = last_layer(head)
    with torch.no_grad():
        layer.weight.div_(scale.std)
        layer.bias.sub_(scale.mean).div_(scale.std)


def folded(net: nn.Module, name: str, scale: Scale) -> dict[str, Tensor]:
    """The last layer of head `name`, by tensor name, with outputs in their own units: std (Wx + b) + mean."""
    head = net.get_submodule(name)
    prefix = f"{name}.{len(head) - 1}" if isinstance(head, nn.Sequential) else name
    layer = last_layer(head)
    weight = (layer.weight.detach().double() * scale.std).to(layer.weight.dtype)
    bias = (layer.bias.detach().double() * scale.std + scale.mean).to(layer.bias.dtype)
    return {f"{prefix}.weight": weight, f"{prefix}.bias": bias}
