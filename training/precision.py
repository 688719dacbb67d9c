"""In which precision a network learns: mixed bf16 where the device multiplies it natively, fp32 elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn

from training.cpukernels import CpuKernels
from training.inference import native_precision

# Weights of matrices and kernels below which a CPU loses more by converting than it gains by multiplying.
SMALL_NET = 1_000_000


@dataclass(frozen=True)
class Precision:
    """`dtype` of the products while learning; weights, updates and validation are fp32."""

    device: torch.device
    dtype: torch.dtype

    @property
    def mixed(self) -> bool:
        return self.dtype == torch.bfloat16

    @contextmanager
    def forward(self) -> Iterator[None]:
        """Around the forward pass and the loss of a micro-batch."""
        own = CpuKernels() if self.mixed and self.device.type == "cpu" else nullcontext()
        with own, torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.mixed):
            yield

    def told(self) -> str:
        """A line for the log of a run."""
        words = "bf16 products, weights and sums in fp32" if self.mixed else "fp32"
        return f"Learning in {words}."


def choose(wanted: str, device: torch.device, learner: nn.Module) -> Precision:
    """`wanted` as in the recipe: "fp32" and "bf16" are obeyed, "auto" follows device and size alone.

    Never a stopwatch: equal machines are to learn equal numbers.
    """
    native = native_precision(device) == "bf16"
    products = sum(item.numel() for item in learner.parameters() if item.ndim > 1)
    pays = native and (device.type != "cpu" or products >= SMALL_NET)
    mixed = wanted == "bf16" or (wanted == "auto" and pays)
    return Precision(device, torch.bfloat16 if mixed else torch.float32)
