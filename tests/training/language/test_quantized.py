from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from training.language.causal import load_causal
from training.language.quantized import NF4_LEVELS, Int8Linear, Nf4Linear, quantize, size_of

KINDS = {"int8": Int8Linear, "nf4": Nf4Linear}


def layer(bias: bool = True) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(128, 48, bias=bias)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bias", [True, False])
def test_product_and_gradient_are_those_of_the_widened_weights(kind: str, bias: bool) -> None:
    held = KINDS[kind](layer(bias))
    plain = layer(bias)
    with torch.no_grad():
        plain.weight.copy_(held.dense(torch.float32))
    x = torch.randn(3, 5, 128, generator=torch.Generator().manual_seed(1), requires_grad=True)
    y = x.detach().clone().requires_grad_()
    found, expected = held(x), plain(y)
    torch.testing.assert_close(found, expected)
    for out in (found, expected):
        (out * torch.arange(48)).sum().backward()
    torch.testing.assert_close(x.grad, y.grad)
    assert not held.weight.requires_grad


def test_int8_is_the_nearest_of_255_levels_a_row() -> None:
    plain = layer()
    held = Int8Linear(plain)
    step = plain.weight.abs().amax(1, keepdim=True) / 127
    assert ((held.dense(torch.float32) - plain.weight).abs() <= step / 2 + 1e-7).all()
    assert held.weight.dtype == torch.int8
    assert int(held.weight.abs().max()) == 127


def test_nf4_is_the_nearest_of_sixteen_levels_a_block() -> None:
    plain = layer()
    held = Nf4Linear(plain)
    blocks = plain.weight.detach().reshape(-1, 64)
    scale = blocks.abs().amax(1, keepdim=True)
    levels = torch.tensor(NF4_LEVELS)
    nearest = levels[((blocks / scale)[..., None] - levels).abs().argmin(-1)] * scale
    torch.testing.assert_close(held.dense(torch.float32).reshape(-1, 64), nearest)
    assert held.weight.dtype == torch.uint8
    assert held.weight.numel() == plain.weight.numel() // 2


def test_the_levels_of_normal_float_are_quantiles_of_the_normal_distribution() -> None:
    """Dettmers et al. 2023, appendix E: offset 0.9677083 and 8 quantiles above zero, 7 below, both scaled."""
    normal = torch.distributions.Normal(0.0, 1.0)
    offset = 0.9677083
    above = normal.icdf(torch.linspace(offset, 0.5, 9, dtype=torch.float64)[:-1])
    below = -normal.icdf(torch.linspace(offset, 0.5, 8, dtype=torch.float64)[:-1])
    found = torch.cat([above, below, torch.zeros(1, dtype=torch.float64)]).sort().values
    torch.testing.assert_close(found / found.max(), torch.tensor(NF4_LEVELS).double(), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("kind", "share"), [("int8", 0.3), ("nf4", 0.2)])
def test_the_layers_inside_a_model_take_less_and_the_rest_stays(llama: Path, kind: str, share: float) -> None:
    net = load_causal(llama)
    layers = sum(item.numel() * 4 for name, item in net.named_parameters() if "proj" in name)
    before, after = quantize(net, kind)
    assert before == size_of(load_causal(llama))
    assert before - after > (1 - share) * layers
    changed = {name.rpartition(".")[2] for name, module in net.named_modules() if type(module) is KINDS[kind]}
    assert changed == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert type(net.get_output_embeddings()) is nn.Linear


def test_autocast_decides_the_precision_of_the_product() -> None:
    held = Int8Linear(layer())
    x = torch.randn(4, 128, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        out = held(x)
    assert out.dtype == torch.bfloat16
    out.float().sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == torch.float32
