"""Safetensors files: judged by their header before loading, written so that frozen bytes stay the same.

The library's own writer sorts tensors by itself. Ours keeps the base file's names, order and dtypes and
copies the bytes of every unchanged tensor, so that chunks of base and child are equal and stored once.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from training.errors import UserError

MAX_FILE_BYTES = 16 * 1024 * 1024 * 1024
MAX_HEADER_BYTES = 16 * 1024 * 1024
MAX_TENSORS = 20_000
COPY_BYTES = 1024 * 1024
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}


@dataclass(frozen=True)
class Entry:
    """One tensor of a file: `start` and `stop` are byte offsets in the file."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    stop: int


def read_header(path: Path) -> dict[str, Entry]:
    """Names to entries in file order. Raises `UserError` `model:bad-weights` for anything out of bounds."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size > MAX_FILE_BYTES or not 2 <= length <= min(MAX_HEADER_BYTES, size - 8):
                raise _bad("its size or header is out of bounds")
            plain = json.loads(file.read(length))
    except OSError:
        raise UserError("model:no-weights", "The base model has no model.safetensors.") from None
    except (ValueError, RecursionError):
        raise _bad("its header is not valid") from None
    if not isinstance(plain, dict) or len(plain) > MAX_TENSORS:
        raise _bad(f"it is not a table of at most {MAX_TENSORS:,} tensors")
    plain.pop("__metadata__", None)
    if not plain:
        raise _bad("it holds no tensors")
    try:
        entries = {name: _entry(item, 8 + length) for name, item in plain.items()}
    except (KeyError, TypeError, ValueError):
        raise _bad("its header is not valid") from None
    ordered = dict(sorted(entries.items(), key=lambda item: item[1].start))
    position = 8 + length
    for entry in ordered.values():
        if entry.start != position or entry.stop > size:
            raise _bad("its tensors overlap or leave the file")
        position = entry.stop
    return ordered


def _entry(item: dict[str, object], base: int) -> Entry:
    dtype, shape, offsets = DTYPES[str(item["dtype"])], item["shape"], item["data_offsets"]
    if not isinstance(shape, list) or not isinstance(offsets, list) or len(offsets) != 2 or len(shape) > 8:
        raise ValueError
    if not all(type(number) is int and 0 <= number < 2**40 for number in (*shape, *offsets)):
        raise ValueError
    elements = 1
    for side in shape:
        elements *= side
    if offsets[1] - offsets[0] != elements * dtype.itemsize:
        raise ValueError
    return Entry(dtype, tuple(shape), base + offsets[0], base + offsets[1])


def load_weights(path: Path) -> dict[str, Tensor]:
    """Every tensor of a file whose header `read_header` has accepted."""
    read_header(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError):
        raise _bad("it cannot be read") from None


def write_weights(
    path: Path,
    changed: Mapping[str, Tensor],
    *,
    base: Path | None = None,
    kept: Container[str] | None = None,
) -> None:
    """Write atomically the tensors of `base` in its order, those in `changed` replaced, new ones last.

    `kept`: the names of `base` that still belong to the network; None: all of them.

    Not flushed to disk: after a loss of power the run writes its result anew, from its checkpoint.

    Changed tensors keep their own dtype. Wider types come first so that every tensor is aligned; for a base
    written by the safetensors library that is its own order already.
    """
    old = read_header(base) if base else {}
    old = {name: entry for name, entry in old.items() if kept is None or name in kept}
    layout = [(name, old[name].dtype, old[name].shape) for name in old if name not in changed]
    layout += [(name, tensor.dtype, tuple(tensor.shape)) for name, tensor in changed.items()]
    place = {name: index for index, name in enumerate([*old, *(name for name in changed if name not in old)])}
    layout.sort(key=lambda item: (-item[1].itemsize, place[item[0]]))
    tmp = path.with_name(path.name + ".tmp")
    with tmp.open("wb") as target:
        target.write(_header(layout))
        source = base.open("rb") if base else None
        try:
            for name, _, _ in layout:
                if name in changed:
                    target.write(_raw(changed[name]))
                elif source:
                    _copy(source, target, old[name])
        finally:
            if source:
                source.close()
    tmp.replace(path)


def write_tensors(target: BinaryIO, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """A safetensors file, one tensor after the other: no second copy of all of them is ever in memory."""
    names = sorted(tensors, key=lambda name: -tensors[name].itemsize)
    layout = [(name, tensors[name].dtype, tuple(tensors[name].shape)) for name in names]
    target.write(_header(layout, metadata))
    for name in names:
        target.write(_raw(tensors[name]))


def _header(
    layout: list[tuple[str, torch.dtype, tuple[int, ...]]], metadata: Mapping[str, str] | None = None
) -> bytes:
    plain: dict[str, object] = {"__metadata__": dict(metadata or {"format": "pt"})}
    position = 0
    for name, dtype, shape in layout:
        stop = position + torch.Size(shape).numel() * dtype.itemsize
        plain[name] = {"dtype": NAMES[dtype], "shape": list(shape), "data_offsets": [position, stop]}
        position = stop
    text = json.dumps(plain, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _raw(tensor: Tensor) -> bytes:
    assert sys.byteorder == "little", "safetensors files are little-endian"
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""


def _copy(source: BinaryIO, target: BinaryIO, entry: Entry) -> None:
    source.seek(entry.start)
    left = entry.stop - entry.start
    while left:
        piece = source.read(min(left, COPY_BYTES))
        if not piece:
            raise _bad("it ended while it was copied")
        target.write(piece)
        left -= len(piece)


def _bad(reason: str) -> UserError:
    return UserError("model:bad-weights", f"The model's model.safetensors cannot be used: {reason}.")
