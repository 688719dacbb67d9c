"""A frozen base held in fewer bits while adapters learn beside it (QLoRA, Dettmers et al. 2023).

Plain torch operations, on every device: a layer's weights are widened for its product and dropped again, in
the backward pass anew. That saves memory, not time; what is published is the adapter, which people load
beside the base in its own precision, and which is measured there.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PRECISIONS = ("fp32", "bf16", "int8", "nf4")
BLOCK = 64
# The 16 levels of NormalFloat4: quantiles of the normal distribution, scaled to −1..1 (ibid., appendix E).
NF4_LEVELS = (
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0.0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
)


class Int8Linear(nn.Linear):
    """Weights as int8 [out, in] and one fp32 scale a row: w ≈ q · scale, scale = max |w| / 127."""

    scale: Tensor

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__(layer.in_features, layer.out_features, bias=False, device="meta")
        weight = layer.weight.detach().float()
        scale = weight.abs().amax(1).clamp_min(1e-12) / 127
        levels = (weight / scale[:, None]).round_().to(torch.int8)
        self.weight = nn.Parameter(levels, requires_grad=False)
        self.register_buffer("scale", scale, persistent=False)
        self.bias = layer.bias

    def dense(self, dtype: torch.dtype) -> Tensor:
        """The weights [out, in] as numbers again."""
        return self.weight.to(dtype) * self.scale[:, None].to(dtype)

    def forward(self, input: Tensor) -> Tensor:
        found: Tensor = _Product.apply(input, self, _dtype(input))
        return found if self.bias is None else found + self.bias.to(found.dtype)


class Nf4Linear(nn.Linear):
    """Weights as two 4-bit levels a byte, uint8 [out · in / 2], one fp32 scale (max |w|) per 64 of them."""

    scale: Tensor
    levels: Tensor

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__(layer.in_features, layer.out_features, bias=False, device="meta")
        blocks = layer.weight.detach().float().reshape(-1, BLOCK)
        scale = blocks.abs().amax(1).clamp_min(1e-12)
        levels = torch.tensor(NF4_LEVELS, device=blocks.device)
        borders = (levels[1:] + levels[:-1]) / 2
        nearest = torch.bucketize(blocks / scale[:, None], borders).to(torch.uint8).reshape(-1)
        self.weight = nn.Parameter(nearest[::2] * 16 + nearest[1::2], requires_grad=False)
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("levels", levels, persistent=False)
        self.bias = layer.bias

    def dense(self, dtype: torch.dtype) -> Tensor:
        """The weights [out, in] as numbers again."""
        halves = torch.stack([self.weight >> 4, self.weight & 15], 1).reshape(-1, BLOCK)
        blocks = self.levels[halves.int()] * self.scale[:, None]
        return blocks.reshape(self.out_features, self.in_features).to(dtype)

    def forward(self, input: Tensor) -> Tensor:
        found: Tensor = _Product.apply(input, self, _dtype(input))
        return found if self.bias is None else found + self.bias.to(found.dtype)


class _Product(torch.autograd.Function):
    """x Wᵀ, whose backward pass widens W anew instead of keeping it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: Int8Linear | Nf4Linear, dtype: torch.dtype) -> Tensor:
        ctx.layer, ctx.dtype, ctx.given = layer, dtype, x.dtype
        return F.linear(x.to(dtype), layer.dense(dtype))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return (grad.to(ctx.dtype) @ ctx.layer.dense(ctx.dtype)).to(ctx.given), None, None


def quantize(net: nn.Module, precision: str) -> tuple[int, int]:
    """Replace the linear layers inside the model, embeddings and output left as they are.

    Returns the bytes of all tensors before and after. Layers of other kinds (GPT-2's), or for nf4 of a size
    that 64 does not divide, stay too.
    """
    before = size_of(net)
    output = net.get_output_embeddings()  # type: ignore[operator]
    kind = {"int8": Int8Linear, "nf4": Nf4Linear}[precision]
    for parent in list(net.modules()):
        for name, layer in list(parent.named_children()):
            if type(layer) is not nn.Linear or layer is output:
                continue
            if precision == "nf4" and layer.weight.numel() % BLOCK:
                continue
            setattr(parent, name, kind(layer))
    return before, size_of(net)


def size_of(net: nn.Module) -> int:
    """Bytes of all parameters and buffers, shared ones once."""
    return sum(item.numel() * item.element_size() for item in (*net.parameters(), *net.buffers()))


def _dtype(x: Tensor) -> torch.dtype:
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
