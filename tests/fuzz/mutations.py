"""Damage of every kind to bytes that were right: what real transfers, bugs and attackers send."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

# `TUNEYARD_EXAMPLES=5000 pytest tests/fuzz` is a long run, with fresh examples each time.
EXAMPLES = int(os.environ.get("TUNEYARD_EXAMPLES", "120"))
fuzzed: Callable[[Any], Any] = settings(
    max_examples=EXAMPLES, deadline=None, derandomize="TUNEYARD_EXAMPLES" not in os.environ, database=None
)
_NUMBERS = [
    0,
    1,
    2,
    7,
    8,
    127,
    128,
    255,
    256,
    8191,
    8192,
    65_535,
    131_072,
    2**24 - 1,
    2**31 - 1,
    2**31,
    2**32 - 1,
]
_WIDTHS = {"<B": 1, "<H": 2, "<I": 4, "<Q": 8, ">I": 4}


@st.composite
def damaged(draw: st.DrawFn, samples: list[bytes]) -> bytes:
    """One of the samples after up to six cuts, flips, insertions, repetitions and numbers put in."""
    data = bytearray(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(data)))
        kind = draw(st.sampled_from(["flip", "cut", "drop", "insert", "number", "repeat", "other"]))
        if kind == "flip" and at < len(data):
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "cut":
            del data[at:]
        elif kind == "drop":
            del data[at : at + draw(st.integers(1, 64))]
        elif kind == "insert":
            data[at:at] = draw(st.binary(max_size=40))
        elif kind == "number":
            form = draw(st.sampled_from(sorted(_WIDTHS)))
            value = draw(st.sampled_from(_NUMBERS)) % 256 ** _WIDTHS[form]
            data[at : at + _WIDTHS[form]] = struct.pack(form, value)
        elif kind == "repeat":
            stop = at + draw(st.integers(1, 200))
            data[at:at] = data[at:stop] * draw(st.integers(1, 4))
        else:
            data[at:] = draw(st.sampled_from(samples))[at:]
    return bytes(data)
