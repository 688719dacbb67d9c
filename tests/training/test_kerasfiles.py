"""What a Keras file may hold and is never run: code, bombs, ways out of it, and what is no image model."""

from __future__ import annotations

import base64
import io
import json
import marshal
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.kerasworld import keras_library, reconfigured, rewritten, write_base
from training import kerasfiles, model
from training.errors import UserError
from training.recipe import HeadSpec

# Keras asks NumPy for arrays of torch tensors in the old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

FLAG = "touched-by-a-model"


@pytest.fixture(scope="module")
def keras_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("keras"))


def refusal(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        model.prepare_network(
            folder, labels=["a", "b"], image_size=None, scratch=False, seed=0, head=HeadSpec()
        )
    assert caught.value.message_id in ("model:bad-keras", "model:old-keras", "model:several")
    return caught.value.message


def with_layer(**changes: Any) -> Callable[[list[dict[str, Any]]], None]:
    """The Rescaling layer becomes something else."""
    return lambda layers: layers[1].update(changes)


def test_code_in_a_lambda_layer_is_refused_and_not_run(keras_base: Path, tmp_path: Path) -> None:
    flag = tmp_path / FLAG
    code = marshal.dumps(compile(f"open({str(flag)!r}, 'w').close()", "x", "exec"))
    held = {"class_name": "__lambda__", "config": {"code": base64.b64encode(code).decode()}}
    lambda_layer = {"class_name": "Lambda", "config": {"name": "rescaling", "function": held}}
    base = reconfigured(keras_base, tmp_path / "lambda", with_layer(**lambda_layer))
    assert "Lambda layer, which is code" in refusal(base)
    hidden = reconfigured(
        keras_base, tmp_path / "inside", lambda layers: layers[2]["config"].update(activation=held)
    )
    assert "Lambda layer, which is code" in refusal(hidden)
    assert not flag.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"module": "os", "class_name": "system", "config": {"command": "true"}},
        {"module": "builtins", "class_name": "function", "config": "eval"},
        {"module": "my.package", "class_name": "Rescaling"},
        {"registered_name": "mine>Rescaling"},
        {"class_name": "TFSMLayer", "config": {"filepath": "/etc"}},
        {"class_name": "TextVectorization"},
        {"module": None},
    ],
)
def test_what_is_no_known_layer_is_refused(keras_base: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    assert "layer" in refusal(reconfigured(keras_base, tmp_path / "base", with_layer(**changes)))


def test_compile_settings_are_never_read(keras_base: Path, tmp_path: Path) -> None:
    def compiled(members: dict[str, bytes]) -> None:
        config = json.loads(members["config.json"])
        config["compile_config"] = {"loss": {"module": "os", "class_name": "system", "config": {}}}
        members["config.json"] = json.dumps(config).encode()

    base = rewritten(keras_base, tmp_path / "base", compiled)
    assert "compile_config" not in json.dumps(kerasfiles.read_file(base / "net.keras").config)


@pytest.mark.parametrize("name", ["../outside.txt", "/etc/x", "assets/words.txt", "model.pkl"])
def test_members_that_do_not_belong_are_refused(keras_base: Path, tmp_path: Path, name: str) -> None:
    base = rewritten(keras_base, tmp_path / "base", lambda members: members.update({name: b"x"}))
    assert name in refusal(base)
    assert not (tmp_path / "outside.txt").exists()


def test_bombs_are_refused_before_they_unpack(keras_base: Path, tmp_path: Path) -> None:
    def bomb(members: dict[str, bytes]) -> None:
        members["model.weights.h5"] = bytes(64 * 2**20)

    assert "unpacks to 67,108,864 bytes" in refusal(rewritten(keras_base, tmp_path / "zip", bomb))

    def wide(layers: list[dict[str, Any]]) -> None:
        layers[-1]["config"]["units"] = 60_000

    assert "bytes of weights" in refusal(reconfigured(keras_base, tmp_path / "wide", wide))

    def wider(layers: list[dict[str, Any]]) -> None:
        layers[-1]["config"]["units"] = 10**12

    assert "beyond 65,536" in refusal(reconfigured(keras_base, tmp_path / "wider", wider))


def test_a_member_that_lies_about_its_size_is_refused(keras_base: Path, tmp_path: Path) -> None:
    base = rewritten(keras_base, tmp_path / "base", lambda members: None)
    path = base / "net.keras"
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("config.json").file_size
    content = path.read_bytes()
    assert content.count(struct.pack("<I", size)) >= 1
    path.write_bytes(content.replace(struct.pack("<I", size), struct.pack("<I", 40)))
    assert "cannot be used" in refusal(base)


def weights_of(fill: Callable[[Any], None]) -> Callable[[dict[str, bytes]], None]:
    import h5py

    def change(members: dict[str, bytes]) -> None:
        held = io.BytesIO()
        with h5py.File(held, "w") as file:
            fill(file)
        members["model.weights.h5"] = held.getvalue()

    return change


def test_weights_that_lead_elsewhere_or_unpack_are_refused(keras_base: Path, tmp_path: Path) -> None:
    keras_library()
    import h5py

    def link(file: Any) -> None:
        file["layers"] = h5py.ExternalLink("/etc/passwd", "/")

    def outside(file: Any) -> None:
        file.create_dataset("x", (4,), "f4", external=[(str(tmp_path / "x.bin"), 0, 16)])

    def packed(file: Any) -> None:
        file.create_dataset("x", data=np.zeros(10**6, "f4"), compression="gzip")

    def words(file: Any) -> None:
        file["x"] = ["text"]

    for name, fill, told in (
        ("link", link, "links"), ("outside", outside, "plain numbers"), ("packed", packed, "plain numbers"),
        ("words", words, "plain numbers"), ("empty", lambda file: None, "bytes of weights"),
    ):  # fmt: skip
        assert told in refusal(rewritten(keras_base, tmp_path / name, weights_of(fill)))
    torn = rewritten(
        keras_base, tmp_path / "torn", lambda members: members.update({"model.weights.h5": b"\x80\x04."})
    )
    assert "no intact HDF5" in refusal(torn)


def test_old_files_and_files_of_another_kind_are_refused(keras_base: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    (old / "model.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    assert ".h5" in refusal(old)
    (old / "model.keras").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    assert "no zip as Keras 3 writes it" in refusal(old)
    (old / "second.keras").write_bytes(b"")
    assert "several .keras files" in refusal(old)
    half = tmp_path / "half"
    half.mkdir()
    (half / "net.keras").write_bytes((keras_base / "net.keras").read_bytes()[:4000])
    assert "no zip" in refusal(half)
    lists = b"[" * 100 + b"]" * 100
    nested = b'{"module": "keras", "class_name": "Functional", "config": {"x": ' + lists + b"}}"
    deep = rewritten(keras_base, tmp_path / "deep", lambda members: members.update({"config.json": nested}))
    assert "nested too deeply" in refusal(deep)


def test_a_directory_of_another_library_is_not_taken_for_keras(base: Path, tmp_path: Path) -> None:
    assert not kerasfiles.is_keras(base)
    assert not kerasfiles.is_keras(tmp_path)
    (tmp_path / "net.keras").write_bytes(b"")
    assert kerasfiles.is_keras(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert not kerasfiles.is_keras(tmp_path)
