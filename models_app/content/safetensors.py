"""Parameter counts from the header of a safetensors file; the weights themselves are never read."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Sequence
from typing import Any, BinaryIO, TypeGuard

MAX_HEADER_BYTES = 25 * 1024 * 1024
MAX_SHARDS = 200
MAX_PARAMETERS = 2**62
_SHARD = re.compile(r"[^/]*-\d{5}-of-\d{5}\.safetensors")
_BITS = {
    "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8,
    "F8_E8M0": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "C64": 64,
    "F64": 64, "I64": 64, "U64": 64,
}  # fmt: skip


class BadSafetensors(ValueError):
    """The file is no sound safetensors file; the message is one sentence."""


def read_header(file: BinaryIO, size: int, max_header: int = MAX_HEADER_BYTES) -> tuple[dict[str, Any], int]:
    """The header of a file of `size` bytes, positioned at its start, and the bytes that hold it.

    Raises BadSafetensors when it is longer than the file or `max_header` bytes, or is no JSON object.
    """
    prefix = file.read(8)
    if len(prefix) < 8:
        raise BadSafetensors("The file is too short to be a safetensors file.")
    (length,) = struct.unpack("<Q", prefix)
    if length > size - 8:
        raise BadSafetensors("The header is longer than the file.")
    if length > max_header:
        raise BadSafetensors(f"The header is larger than the {max_header >> 20} MiB that are read.")
    try:
        header = json.loads(file.read(length))
    except (ValueError, RecursionError):
        raise BadSafetensors("The header is not valid JSON.") from None
    if not isinstance(header, dict):
        raise BadSafetensors("The header is not a mapping of tensors.")
    return header, length


def count_parameters(file: BinaryIO, size: int, max_header: int = MAX_HEADER_BYTES) -> dict[str, int]:
    """{dtype: number of parameters} of a file of `size` bytes, positioned at its start.

    Raises BadSafetensors as `read_header` does, and for tensors that do not fit their shape or the file.
    """
    header, length = read_header(file, size, max_header)
    counts: dict[str, int] = {}
    for name, tensor in header.items():
        if name != "__metadata__":
            dtype, number = check_tensor(name, tensor, size - 8 - length)
            counts[dtype] = counts.get(dtype, 0) + number
    if sum(number * _BITS[dtype] for dtype, number in counts.items()) > 8 * (size - 8 - length):
        raise BadSafetensors("The tensors overlap: together they are larger than the file.")
    return counts


def check_tensor(name: str, tensor: Any, data_bytes: int) -> tuple[str, int]:
    """Dtype and number of parameters of one tensor of a header, or BadSafetensors."""
    refusal = BadSafetensors(f"The tensor {name[:60]!r} has no sound dtype, shape and data_offsets.")
    if not isinstance(tensor, dict):
        raise refusal
    dtype, shape, offsets = tensor.get("dtype"), tensor.get("shape"), tensor.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in _BITS or not _whole_numbers(shape) or len(shape) > 64:
        raise refusal
    if not _whole_numbers(offsets) or len(offsets) != 2 or not offsets[0] <= offsets[1] <= data_bytes:
        raise refusal
    number = math.prod(shape)
    if number > MAX_PARAMETERS or (number * _BITS[dtype] + 7) // 8 != offsets[1] - offsets[0]:
        raise refusal
    return dtype, number


def _whole_numbers(value: Any) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(item) is int and 0 <= item < 2**63 for item in value)


def weight_files(paths: Sequence[str]) -> list[str]:
    """The safetensors files at the top of a repo that together are its weights: one file, or all shards."""
    top = [path for path in paths if path.endswith(".safetensors") and "/" not in path]
    if "model.safetensors" in top:
        return ["model.safetensors"]
    shards = [path for path in top if _SHARD.fullmatch(path)]
    return sorted(shards)[:MAX_SHARDS] if shards else sorted(top)[:1]
