"""Nets of transformers' own classes, read from files that strangers made: never code, never pickles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from training.errors import UserError


def read_net(kind: Any, model_dir: Path, config: Any) -> tuple[Any, set[str]]:
    """The net in fp32, and the names of parameters that the file lacks or has in another shape.

    `kind` is a class with `from_pretrained`. Raises whatever its layers raise.
    """
    net, info = kind.from_pretrained(
        str(model_dir),
        config=config,
        dtype=torch.float32,
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
        ignore_mismatched_sizes=True,
        output_loading_info=True,
    )
    return net, set(info["missing_keys"]) | {item[0] for item in info["mismatched_keys"]}


def require_scratch_size(wanted: int, largest: int) -> None:
    """Raises `UserError` where a net of `wanted` parameters is too large to begin with random weights."""
    if wanted > largest:
        text = f"The net of config.json has {wanted:,} parameters, too many to train from scratch here."
        raise UserError("model:too-large", text)
