"""A frozen body, run as fast as this machine can, checked against the plain body before it is trusted.

`fast_body` tries the fastest form first and keeps the first that agrees with plain fp32 on real images:

1. bf16, batch-norm folded, channels-last, fused oneDNN kernels (CPU) or cuDNN (CUDA), where the processor
   multiplies bf16 natively; elsewhere bf16 is emulated and slower, so it is left out;
2. the same in fp32;
3. the plain body.

The choice depends on the processor's capabilities and on the numbers, never on a stopwatch, so the same
machine gives the same features every time. Nothing is compiled: preparing costs about half a second.
"""

from __future__ import annotations

import copy
import logging
import platform
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn
from torch.fx.experimental.proxy_tensor import make_fx

from training import fusion
from training.errors import EngineError

log = logging.getLogger(__name__)

Forward = Callable[[Tensor], Tensor]

PRECISIONS = {"bf16": torch.bfloat16, "fp32": torch.float32}
# Rounding error allowed in the features, as a share of how much they differ between images. Measured on 1,000
# to 2,000 test images: a head trained on features at 0.15 and deployed in fp32 lost 0.4 points of accuracy,
# at 0.05 nothing.
LIMITS = {"bf16": 0.125, "fp32": 5e-3}
# The reference run costs plain fp32 speed, so it is short.
GUARD_IMAGES = 4


@dataclass(frozen=True)
class FastBody:
    """`run` maps float [micro, 3, h, w] on `device` to float32 [micro, d]; the batch size is baked in.

    `rows` are the features of the sample it was tried on, where it was.
    """

    run: Forward
    precision: str
    form: str
    error: float
    rows: Tensor | None = None


def native_precision(device: torch.device) -> str:
    """The fastest precision that this device multiplies natively: "bf16" or "fp32"."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return "fp32"
    if platform.machine().lower() in {"x86_64", "amd64"}:
        native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    else:
        native = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return "bf16" if native else "fp32"


def plain_body(body: nn.Module, device: torch.device) -> Forward:
    """The body as it is, in fp32 and evaluation mode, pooled to [B, d]; a copy that shares the weights."""
    twin = _twin(body, torch.float32, device)[0]

    def run(images: Tensor) -> Tensor:
        with torch.inference_mode():
            return pooled(twin(images.to(device, torch.float32))).float()

    return run


def fast_body(body: nn.Module, sample: Tensor, *, device: torch.device, precision: str = "auto") -> FastBody:
    """The fastest trustworthy form of `body` for batches of exactly `sample`'s shape.

    `sample` is float [micro, 3, h, w] of real images; up to four of them go through the plain body as
    reference. `precision` "fp32" forbids bf16. Raises only what the plain body raises, the last form tried.
    """
    plain = plain_body(body, device)
    expected = plain(sample[:GUARD_IMAGES])
    allowed = native_precision(device) if precision == "auto" else precision
    for name in dict.fromkeys([allowed, "fp32"]):
        try:
            run = _fused_body(body, sample, device, PRECISIONS[name])
            rows = run(sample)
            error = disagreement(rows[: len(expected)], expected)
        except Exception as problem:
            # Tracing and fusing lean on private parts of torch; whatever fails there, the plain body works.
            log.info("The fused %s form of the body cannot be built: %s", name, problem)
            continue
        if error <= LIMITS[name]:
            return FastBody(run, name, "fused", error, rows)
        log.warning("Features in %s are off by %.2g of their spread: trying a slower form.", name, error)
    return FastBody(plain, "fp32", "plain", 0.0)


def disagreement(got: Tensor, expected: Tensor) -> float:
    """Root mean square of got - expected, both [k, d], over that of the rows' distance from their mean.

    The distance counts as at least a tenth of the rows' size, so that rows all alike can be judged. Infinite
    where shapes differ or a value is not finite.
    """
    got, expected = got.double().cpu(), expected.double().cpu()
    if got.shape != expected.shape or not bool(torch.isfinite(got).all()):
        return float("inf")
    wrong = float((got - expected).norm())
    spread = float((expected - expected.mean(dim=0)).norm())
    size = float(expected.norm())
    return wrong / max(spread, 0.1 * size, 1e-12)


def pooled(output: Tensor) -> Tensor:
    """[B, d] as it is, [B, d, h, w] averaged over the image. Anything else raises `EngineError`."""
    if output.ndim == 4:
        return output.mean(dim=(2, 3))
    if output.ndim == 2:
        return output
    raise EngineError(
        "engine:feature-shape", f"The body gave features of {output.ndim} dimensions, not 2 or 4."
    )


def _fused_body(body: nn.Module, sample: Tensor, device: torch.device, dtype: torch.dtype) -> Forward:
    """Trace a copy of the body in `dtype` and fold and fuse its graph. The batch size is baked in."""
    twin, masters = _twin(body, dtype, device)
    example = sample.to(device, dtype).contiguous(memory_format=torch.channels_last)
    graph = _trace(twin, example)
    onednn = device.type == "cpu" and fusion.available()
    with torch.no_grad():
        fusion.fuse(graph, masters, dtype, onednn=onednn)

    def run(images: Tensor) -> Tensor:
        with torch.inference_mode():
            ready = images.to(device, dtype, non_blocking=True).contiguous(memory_format=torch.channels_last)
            return graph(ready).float()

    return run


def _trace(twin: nn.Module, example: Tensor) -> fx.GraphModule:
    def forward(images: Tensor) -> Tensor:
        return pooled(twin(images))

    with torch.no_grad():
        return make_fx(forward, tracing_mode="fake", pre_dispatch=True, _allow_non_fake_inputs=True)(example)


def _twin(body: nn.Module, dtype: torch.dtype, device: torch.device) -> tuple[nn.Module, dict[int, Tensor]]:
    """A copy in evaluation mode, floating tensors in `dtype` on `device`, and id(its tensor) → fp32 original.

    deepcopy's memo is filled beforehand, so weights are converted once, and shared where nothing changes.
    """
    memo: dict[int, object] = {}
    masters: dict[int, Tensor] = {}
    for original in (*body.parameters(), *body.buffers()):
        wanted = dtype if original.is_floating_point() else original.dtype
        moved = original.detach().to(device, wanted)
        if isinstance(original, nn.Parameter):
            moved = nn.Parameter(moved, requires_grad=False)
        memo[id(original)] = moved
        masters[id(moved)] = original.detach().to(device)
    twin = copy.deepcopy(body, memo)
    return twin.eval(), masters
