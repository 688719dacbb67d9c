"""Parameter counts come from the header alone, and a lying header is told from a sound one."""

from __future__ import annotations

import contextlib
import io
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_app.content.safetensors import BadSafetensors, count_parameters, weight_files


def packed(header: object, data_bytes: int = 0) -> bytes:
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    return struct.pack("<Q", len(text)) + text + b"\0" * data_bytes


def count(content: bytes) -> dict[str, int]:
    return count_parameters(io.BytesIO(content), len(content))


def tensor(shape: Any, offsets: Any, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def test_it_agrees_with_the_library_that_writes_such_files(tmp_path: Any) -> None:
    import numpy as np
    from safetensors.numpy import save

    content = save(
        {"a": np.zeros((3, 4), np.float32), "b": np.zeros((5,), np.float16), "c": np.zeros((), np.float32)},
        metadata={"format": "pt"},
    )
    assert count(content) == {"F32": 13, "F16": 5}


def test_only_the_header_is_read() -> None:
    class Recorder(io.BytesIO):
        asked = 0

        def read(self, size: int | None = -1, /) -> bytes:
            self.asked += size or 0
            return super().read(size)

    header = packed({"a": tensor([1000], [0, 4000])})
    file = Recorder(header)
    assert count_parameters(file, len(header) + 4000) == {"F32": 1000}
    assert file.asked == len(header)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "too short"),
        (b"\xff" * 40, "longer than the file"),
        (struct.pack("<Q", 5) + b"{", "longer than the file"),
        (packed(b"{nope"), "not valid JSON"),
        (packed(b"[" * 50_000), "not valid JSON"),
        (packed([1]), "not a mapping"),
        (packed({"a": 3}), "'a' has no sound dtype"),
        (packed({"a": tensor([2], [0, 8], "FOO")}, 8), "no sound dtype"),
        (packed({"a": {"dtype": [], "shape": [1], "data_offsets": [0, 4]}}, 8), "no sound dtype"),
        (packed({"a": tensor([2], [0, 7])}, 8), "no sound dtype"),
        (packed({"a": tensor([2], [0, 8])}, 4), "no sound dtype"),
        (packed({"a": tensor([-2], [0, 8])}, 8), "no sound dtype"),
        (packed({"a": tensor([True], [0, 4])}, 8), "no sound dtype"),
        (packed({"a": tensor([2**62, 4], [0, 8])}, 8), "no sound dtype"),
        (packed({"a": tensor([2], [8, 0])}, 8), "no sound dtype"),
        (packed({"a": tensor([2], [0, 8]), "b": tensor([1], [4, 8])}, 8), "overlap"),
        (packed({"a": tensor(2, [0, 8])}, 8), "no sound dtype"),
    ],
)
def test_what_is_not_sound_is_told_in_one_sentence(content: bytes, words: str) -> None:
    with pytest.raises(BadSafetensors, match=words):
        count(content)


def test_a_header_of_more_than_25_mib_is_not_read() -> None:
    class Endless(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            assert size == 8, "must not read the header"
            return struct.pack("<Q", 26 * 1024 * 1024)

    with pytest.raises(BadSafetensors, match="larger than the 25 MiB that are read"):
        count_parameters(Endless(), 10**9)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(content: bytes) -> None:
    for candidate in (content, packed(content)):
        with contextlib.suppress(BadSafetensors):
            count(candidate)


def test_the_weights_are_one_file_or_all_shards() -> None:
    shards = ["model-00002-of-00002.safetensors", "model-00001-of-00002.safetensors"]
    assert weight_files([*shards, "model.safetensors", "config.json"]) == ["model.safetensors"]
    assert weight_files([*shards, "extra.safetensors"]) == sorted(shards)
    assert weight_files(["adapter_model.safetensors", "sub/model.safetensors"]) == [
        "adapter_model.safetensors"
    ]
    assert weight_files(["README.md"]) == []
