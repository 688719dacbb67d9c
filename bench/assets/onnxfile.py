"""The tensors of an ONNX file, read from its protocol buffers without the onnx package.

Fields: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto (ModelProto 7 graph, GraphProto 5 initializer,
TensorProto 1 dims, 2 data_type, 4 float_data, 8 name, 9 raw_data).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

DTYPES = {1: "<f4", 2: "u1", 3: "i1", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2", 11: "<f8"}


def read_tensors(data: bytes) -> dict[str, np.ndarray]:
    """Every initializer by name. Raises ValueError for what is not such a file."""
    found = {}
    for number, graph in _fields(memoryview(data)):
        if number == 7 and isinstance(graph, memoryview):
            for inner, tensor in _fields(graph):
                if inner == 5 and isinstance(tensor, memoryview):
                    name, values = _tensor(tensor)
                    found[name] = values
    if not found:
        raise ValueError("the file holds no tensors")
    return found


def _tensor(data: memoryview) -> tuple[str, np.ndarray]:
    dims: list[int] = []
    name, kind, raw, floats = "", 0, b"", b""
    for number, value in _fields(data):
        if number == 1:
            dims += [value] if isinstance(value, int) else list(_varints(value))
        elif number == 2 and isinstance(value, int):
            kind = value
        elif isinstance(value, memoryview):
            name = bytes(value).decode() if number == 8 else name
            raw = bytes(value) if number == 9 else raw
            # Packed; 32-bit values that are not packed do not occur in files written today.
            floats = bytes(value) if number == 4 else floats
    if kind not in DTYPES:
        raise ValueError(f"the tensor {name[:100]} has the unknown type {kind}")
    return name, np.frombuffer(raw or floats, DTYPES[kind]).reshape(dims)


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(field number, number or bytes) of a message."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, position = _varint(data, position)
            yield number, value
            continue
        length, position = _varint(data, position) if wire == 2 else ({1: 8, 5: 4}.get(wire, -1), position)
        if length < 0 or position + length > len(data):
            raise ValueError("not a protocol buffer, or it ends early")
        yield number, data[position : position + length]
        position += length


def _varints(data: memoryview) -> Iterator[int]:
    position = 0
    while position < len(data):
        value, position = _varint(data, position)
        yield value


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(data) or shift > 63:
            raise ValueError("not a protocol buffer, or it ends early")
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if not byte & 0x80:
            return value, position
