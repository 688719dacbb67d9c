"""Where and how exactly to compute: device, repeatable kernels, seeds. Chosen here, and told."""

from __future__ import annotations

import os
import platform
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def pick_device() -> torch.device:
    """The first GPU, else the CPU."""
    return torch.device("cuda") if torch.cuda.is_available() else torch.device("cpu")


def describe(device: torch.device) -> str:
    """One line for the log of a run."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    return f"CPU with {torch.get_num_threads()} threads ({platform.machine()}), torch {torch.__version__}"


@contextmanager
def reproducible(seed: int, deterministic: bool) -> Iterator[None]:
    """Seed every generator; with `deterministic` ask for repeatable kernels too. Restores the switches."""
    if deterministic:
        # cuBLAS reads it when its context is made.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.get_deterministic_debug_mode(), torch.backends.cudnn.benchmark
    tf32 = torch.backends.cudnn.allow_tf32
    # fp32 is to mean fp32: ten bits of mantissa would move a published accuracy from one GPU to the next.
    torch.backends.cudnn.allow_tf32 = False
    # typed Any: torch sets this attribute up at run time
    memory: Any = torch.utils.deterministic
    filled = memory.fill_uninitialized_memory
    # Nothing here reads memory before writing it; filling it anyway costs a tenth of every step.
    memory.fill_uninitialized_memory = False
    # The same switch as use_deterministic_algorithms, which imports the compiler: seconds for nothing here.
    torch.set_deterministic_debug_mode("warn" if deterministic else "default")
    torch.backends.cudnn.benchmark = not deterministic
    seed_everything(seed)
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(before[0])
        memory.fill_uninitialized_memory = filled
        torch.backends.cudnn.benchmark = before[1]
        torch.backends.cudnn.allow_tf32 = tf32


def seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def step_seed(seed: int, step: int) -> int:
    """A seed for every optimizer step: a resumed run draws what the whole run drew, with no saved state.

    Splitmix64, so that neighbouring steps and seeds share no stream.
    """
    mixed = (seed * 0x9E3779B97F4A7C15 + step * 0xD1B54A32D192ED03 + 0x8CB92BA72F3D8DD7) % 2**64
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB % 2**64
    return (mixed ^ (mixed >> 31)) >> 1
