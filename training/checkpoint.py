"""Training state in one safetensors file, replaced atomically: a kill leaves the last whole one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from training import sharding
from training.weights import write_tensors

FORMAT = "1"
# Tensors by name, and what else a run has to remember.
Loaded = tuple[dict[str, Tensor], dict[str, Any]]


def save_checkpoint(path: Path, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
    """Write tensors and JSON state to a temporary file beside `path`, flush it to disk, rename it.

    Raises `OSError` where there is no room; the file that was there stays.
    """
    metadata = {"format": FORMAT, "state": json.dumps(state)}
    path.parent.mkdir(parents=True, exist_ok=True)
    tmp = path.with_name(path.name + ".tmp")
    try:
        with tmp.open("wb") as file:
            write_tensors(file, tensors, metadata)
            file.flush()
            os.fsync(file.fileno())
        tmp.replace(path)
    except OSError:
        # Half a file on a full disk is room that the next attempt lacks.
        tmp.unlink(missing_ok=True)
        raise


def load_checkpoint(path: Path) -> Loaded | None:
    """Tensors and state, or None where there is no whole checkpoint."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                return None
            state = json.loads(metadata["state"])
            return {name: file.get_tensor(name) for name in file.keys()}, state  # noqa: SIM118 (not a mapping)
    except (OSError, SafetensorError, ValueError, KeyError):
        return None


def pack_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's moments as `optim.<parameter>.<name>` tensors; its settings come from the recipe."""
    packed = {}
    for index, moments in optimizer.state_dict()["state"].items():
        for name, value in moments.items():
            if value is not None:
                packed[f"optim.{index}.{name}"] = torch.as_tensor(value)
    return packed


def unpack_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put packed moments back, each in its parameter's memory format: kernels walk both side by side."""
    parameters = [item for group in optimizer.param_groups for item in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith("optim."):
            _, index, name = key.split(".", 2)
            parameter = parameters[int(index)].detach()
            if tensor.shape == parameter.shape:
                tensor = sharding.fill(torch.empty_like(parameter, dtype=tensor.dtype), tensor)
            state.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
