"""torchvision's MobileNetV2 and its Keras copy give the same probabilities."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

from bench.assets.cards import count_parameters
from bench.assets.kerasbase import CLOSE, converted, difference
from training.kerasfiles import FILE

# Keras's own.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def a_net() -> nn.Module:
    """Batch statistics drawn, some variances so small that Keras's larger epsilon would tell."""
    net = torchvision.models.mobilenet_v2().eval()
    generator = torch.Generator().manual_seed(1)
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for name, item in layer.state_dict().items():
                if item.ndim:
                    item.copy_(torch.rand(item.shape, generator=generator) * 0.4 + 0.6)
                if name == "running_mean":
                    item.mul_(0.1)
                if name == "running_var":
                    item[::7] = 0.02
    for item in net.classifier.parameters():
        nn.init.normal_(item, generator=generator)
    return net


def test_the_copy_gives_the_same_probabilities(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = a_net()
    model = converted(net)
    assert difference(net, model) < CLOSE
    model.save(tmp_path / FILE)
    numbers = (item.numel() for name, item in net.state_dict().items() if "num_batches" not in name)
    assert count_parameters(tmp_path) == sum(numbers)
    # Two per cent in one layer are seen.
    plain = next(layer for layer in model.layers if layer.name == "bn_Conv1")
    gamma, *rest = plain.get_weights()
    plain.set_weights([gamma * 0.98, *rest])
    assert difference(net, model) > 10 * CLOSE
