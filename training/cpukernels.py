"""Three operations that torch is slow at on a CPU while a network learns in bf16, done another way.

Measured on an AMD EPYC (Zen 5), torch 2.14, one thread: decision 0025. The results are the same to rounding;
dropout draws other masks of the same law. Only the forward pass has to run inside `CpuKernels`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

# A mask is drawn from so many bits an element: 1/65536 is how exact the share of zeros is.
BITS = 16
WHOLE = 2**BITS


class CpuKernels(TorchFunctionMode):
    """Inside the block `dropout`, attention with dropout and strided depthwise convolution are ours."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        own = OWN.get(func)
        if own is None:
            return func(*args, **(kwargs or {}))
        return own(*args, **(kwargs or {}))


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`F.dropout` with masks of sixteen random bits an element: torch draws 53, one element at a time.

    The share of zeros is `p` to 1/65536, and what is kept is scaled by that share. Draws from torch's global
    generator.
    """
    zeros = round(p * WHOLE)
    if not training or inplace or not 0 < zeros < WHOLE or input.dtype not in (torch.bfloat16, torch.float32):
        return F.dropout(input, p, training, inplace)
    return input * _mask(input, zeros)


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """`F.scaled_dot_product_attention`: with dropout torch's is made of fp32 products, this of bf16."""
    if not dropout_p or is_causal or enable_gqa or query.requires_grad is False:
        how: dict[str, Any] = {"scale": scale, "enable_gqa": enable_gqa}
        return F.scaled_dot_product_attention(query, key, value, attn_mask, dropout_p, is_causal, **how)
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = torch.matmul(query * factor, key.transpose(-2, -1))
    if attn_mask is not None:
        scores = _masked(scores, attn_mask)
    return torch.matmul(dropout(torch.softmax(scores, dim=-1), dropout_p), value)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """`F.conv2d`; strided depthwise ones in fp32: their bf16 gradient takes up to ten times as long."""
    strided = stride > 1 if isinstance(stride, int) else max(stride) > 1
    depthwise = groups > 1 and groups == input.shape[-3] and strided
    if not depthwise or not torch.is_autocast_enabled("cpu"):
        return F.conv2d(input, weight, bias, stride, padding, dilation, groups)
    dtype = torch.get_autocast_dtype("cpu")
    with torch.autocast("cpu", enabled=False):
        wide = (input.float(), weight.float(), None if bias is None else bias.float())
        return F.conv2d(*wide, stride, padding, dilation, groups).to(dtype)


OWN: dict[Any, Callable[..., Any]] = {
    F.dropout: dropout,
    F.scaled_dot_product_attention: attention,
    F.conv2d: conv2d,
}


def _mask(like: Tensor, zeros: int) -> Tensor:
    """0 with probability zeros / 65536, else the scale that keeps the mean, as `like`."""
    count = like.numel()
    words = torch.empty((count + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    mask = torch.empty(count, dtype=like.dtype)
    # A comparison into numbers: through booleans it takes eight times as long.
    torch.ge(words.view(torch.int16)[:count], zeros - WHOLE // 2, out=mask)
    return mask.mul_(WHOLE / (WHOLE - zeros)).view(like.shape)


def _masked(scores: Tensor, mask: Tensor) -> Tensor:
    if mask.dtype == torch.bool:
        return scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    return scores + mask.to(scores.dtype)
