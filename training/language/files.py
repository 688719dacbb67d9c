"""JSON files of a model directory and its weights' headers: bounded, judged before anything is built."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from training.errors import UserError
from training.weights import Entry, read_header

MAX_JSON_BYTES = 4 * 1024 * 1024
MAX_SHARDS = 500
PICKLES = {".bin", ".pt", ".pth", ".ckpt"}


def read_json(path: Path) -> dict[str, Any]:
    """The mapping in a file; empty where there is no file. Raises `UserError` `model:bad-config`."""
    if not path.is_file():
        return {}
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise ValueError
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError
    except (OSError, ValueError, RecursionError):
        text = f"The model's {path.name} is not a JSON mapping of at most 4 MiB."
        raise UserError("model:bad-config", text) from None
    return found


def weight_files(model_dir: Path) -> list[Path]:
    """`model.safetensors`, or the shards its index names. Raises `UserError` for pickles and for nothing."""
    whole = model_dir / "model.safetensors"
    if whole.is_file():
        return [whole]
    index = read_json(model_dir / "model.safetensors.index.json").get("weight_map")
    if isinstance(index, dict) and index:
        names = sorted(set(map(str, index.values())))
        if len(names) > MAX_SHARDS or any(Path(name).name != name for name in names):
            raise UserError("model:bad-weights", "The index of the model's weights names unusable files.")
        return [model_dir / name for name in names]
    pickled = sorted(path.name for path in model_dir.glob("*") if path.suffix in PICKLES)
    if pickled:
        text = f"{pickled[0][:60]} is a pickle, which can run code; publish the weights as model.safetensors."
        raise UserError("model:pickle", text)
    raise UserError("model:no-weights", "The base model has no model.safetensors.")


def read_headers(model_dir: Path) -> dict[str, Entry]:
    """Every tensor of every weight file by name. Raises `UserError` for what is truncated or misshapen."""
    found: dict[str, Entry] = {}
    for path in weight_files(model_dir):
        found |= read_header(path)
    return found
