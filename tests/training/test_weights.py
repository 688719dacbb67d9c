from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from training.errors import UserError
from training.weights import load_weights, read_header, write_weights


def tensors() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {
        "z.weight": torch.randn(3, 4),
        "a.weight": torch.randn(5),
        "steps": torch.tensor(7),
        "half": torch.randn(3).half(),
        "brain": torch.randn(2, 2).bfloat16(),
        "empty": torch.empty(0, 2),
    }


def write_raw(path: Path, header: object, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def test_the_library_reads_what_we_write(tmp_path: Path) -> None:
    ours = tmp_path / "ours.safetensors"
    write_weights(ours, tensors())
    for name, tensor in load_file(ours).items():
        assert tensor.dtype == tensors()[name].dtype
        assert torch.equal(tensor, tensors()[name])


def test_a_child_is_its_base_byte_for_byte_but_for_the_change(tmp_path: Path) -> None:
    base, child = tmp_path / "base.safetensors", tmp_path / "child.safetensors"
    whole = {name: tensor for name, tensor in tensors().items() if name != "empty"}
    save_file(whole, base, metadata={"format": "pt"})
    write_weights(child, {"a.weight": torch.ones(5)}, base=base)
    old, new = base.read_bytes(), child.read_bytes()
    entry = read_header(base)["a.weight"]
    assert list(read_header(child)) == list(read_header(base))
    # Same shapes, same header length: the files differ in one tensor's bytes and nowhere else.
    assert len(old) == len(new)
    assert old[entry.stop :] == new[entry.stop :]
    assert new[entry.start : entry.stop] == torch.ones(5).numpy().tobytes()
    start = min(item.start for item in read_header(base).values())
    assert old[start : entry.start] == new[start : entry.start]


def test_new_tensors_come_last_and_wide_ones_stay_aligned(tmp_path: Path) -> None:
    base, child = tmp_path / "base.safetensors", tmp_path / "child.safetensors"
    write_weights(base, {"h": torch.zeros(3).half(), "w": torch.zeros(3).half()})
    write_weights(child, {"w": torch.ones(3), "head": torch.ones(2)}, base=base)
    assert list(read_header(child)) == ["w", "head", "h"]
    assert torch.equal(load_weights(child)["w"], torch.ones(3))


def test_a_killed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.safetensors"
    write_weights(path, {"a": torch.zeros(2)})

    def killed(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    # The latest moment that can be bad: everything is written, and nothing is in its place.
    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_weights(path, {"a": torch.ones(2)})
    assert torch.equal(load_weights(path)["a"], torch.zeros(2))


F32 = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    ("header", "data"),
    [
        (b"{", b""),
        (b"[]", b""),
        (b"[" * 5000, b""),
        ({"a": F32}, b""),
        ({"a": {**F32, "shape": [2]}}, b"\0" * 8),
        ({"a": {**F32, "shape": [-1]}}, b"\0" * 4),
        ({"a": {**F32, "shape": [2**39, 2**39, 0.5]}}, b"\0" * 4),
        ({"a": {**F32, "shape": [True]}}, b"\0" * 4),
        ({"a": {**F32, "dtype": "F4"}}, b"\0" * 4),
        ({"a": {**F32, "dtype": []}}, b"\0" * 4),
        ({"a": {**F32, "data_offsets": [0]}}, b"\0" * 4),
        ({"a": {**F32, "data_offsets": [4, 8]}}, b"\0" * 8),
        ({"a": F32, "b": F32}, b"\0" * 4),
        ({"a": 3}, b"\0" * 4),
        ({f"t{index}": F32 for index in range(20_001)}, b"\0" * 4),
    ],
)
def test_a_bad_header_is_refused_before_loading(tmp_path: Path, header: object, data: bytes) -> None:
    path = write_raw(tmp_path / "model.safetensors", header, data)
    with pytest.raises(UserError, match="cannot be used"):
        load_weights(path)


@given(st.binary(max_size=60), st.binary(max_size=20))
def test_no_bytes_escape_as_another_error(
    tmp_path_factory: pytest.TempPathFactory, text: bytes, data: bytes
) -> None:
    path = write_raw(tmp_path_factory.mktemp("fuzz") / "model.safetensors", text, data)
    with pytest.raises(UserError):
        load_weights(path)


def test_a_header_length_beyond_the_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes((2**62).to_bytes(8, "little") + b"{}")
    with pytest.raises(UserError, match="out of bounds"):
        read_header(path)
    with pytest.raises(UserError, match=r"has no model\.safetensors"):
        read_header(tmp_path / "none")
