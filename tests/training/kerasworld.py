"""A Keras model small enough for a test, and what somebody might hide in its file."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SIZE = 32


def keras_library() -> Any:
    pytest.importorskip("h5py")
    from training import kerasmodels

    return kerasmodels.keras_library()


def write_base(
    folder: Path, *, channels: int = 3, top: bool = True, rescale: bool = True, order: str = "last"
) -> Path:
    """Two blocks with batch norms whose statistics are not 0 and 1, a branch, and a head of three classes."""
    keras = keras_library()
    keras.utils.set_random_seed(3)
    layers, axis = keras.layers, -1 if order == "last" else 1
    side = (SIZE, SIZE, channels) if order == "last" else (channels, SIZE, SIZE)
    how = {"padding": "same", "data_format": f"channels_{order}"}
    found = given = keras.Input(side)
    if rescale:
        found = layers.Rescaling(1 / 127.5, offset=-1)(found)
    found = layers.Conv2D(6, 3, strides=2, use_bias=False, name="block1_conv", **how)(found)
    found = layers.BatchNormalization(axis=axis, name="block1_bn")(found)
    found = kept = layers.ReLU(name="block1_relu")(found)
    found = layers.SeparableConv2D(6, 3, name="block2_conv", **how)(found)
    found = layers.BatchNormalization(axis=axis, name="block2_bn")(found)
    found = layers.Add(name="block2_add")([found, kept])
    if top:
        found = layers.GlobalAveragePooling2D(data_format=how["data_format"])(found)
        found = layers.Dropout(0.3)(found)
        found = layers.Dense(3, activation="softmax", name="answers")(found)
    net = keras.Model(given, found)
    for layer in net.layers:
        if isinstance(layer, layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights([gamma, beta + 0.1, mean + 0.2, variance * 1.5])
    folder.mkdir(parents=True, exist_ok=True)
    net.save(folder / "net.keras")
    return folder


def rewritten(source: Path, folder: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The base's file with its members changed, in a new directory."""
    with zipfile.ZipFile(source / "net.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "net.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return folder


def reconfigured(source: Path, folder: Path, change: Callable[[list[dict[str, Any]]], None]) -> Path:
    """The same for the list of layers in its config.json."""

    def edit(members: dict[str, bytes]) -> None:
        config = json.loads(members["config.json"])
        change(config["config"]["layers"])
        members["config.json"] = json.dumps(config).encode()

    return rewritten(source, folder, edit)
