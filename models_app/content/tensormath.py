"""How far two tensors of one type and shape are apart, from their bytes, a piece at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


def _plain(code: str) -> Callable[[bytes], Numbers]:
    return lambda data: np.frombuffer(data, code).astype(np.float64)


def _bf16(data: bytes) -> Numbers:
    """The upper half of a float32."""
    wide = np.frombuffer(data, "<u2").astype("<u4") << 16
    return wide.view("<f4").astype(np.float64)


_READERS: dict[str, tuple[int, Callable[[bytes], Numbers]]] = {
    "F64": (8, _plain("<f8")),
    "F32": (4, _plain("<f4")),
    "F16": (2, _plain("<f2")),
    "BF16": (2, _bf16),
    "C64": (8, _plain("<f4")),
    "I64": (8, _plain("<i8")),
    "I32": (4, _plain("<i4")),
    "I16": (2, _plain("<i2")),
    "I8": (1, _plain("<i1")),
    "U64": (8, _plain("<u8")),
    "U32": (4, _plain("<u4")),
    "U16": (2, _plain("<u2")),
    "U8": (1, _plain("<u1")),
    "BOOL": (1, _plain("<u1")),
}


def item_bytes(dtype: str) -> int:
    """Bytes of one number, 0 for types whose numbers are not read here."""
    return _READERS[dtype][0] if dtype in _READERS else 0


def squares(dtype: str, data: bytes) -> float:
    """The sum of the squares of the numbers."""
    with np.errstate(all="ignore"):
        numbers = _READERS[dtype][1](data)
        return float(numbers @ numbers)


def squares_apart(dtype: str, old: bytes, new: bytes) -> float:
    """The sum of the squares of the differences."""
    read = _READERS[dtype][1]
    with np.errstate(all="ignore"):
        apart = read(new) - read(old)
        return float(apart @ apart)
