"""Rows of several modalities out of one split, and what the frozen encoders say of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training import model
from training.batches import normalized
from training.data import Split, read_split
from training.errors import UserError
from training.featurecache import FeatureKey, cached_features
from training.features import frozen_features
from training.pixels import load_pixels
from training.recipe import FusedData, Recipe
from training.tabular.columns import MISSING, Table
from training.tabular.reading import class_names, read_table
from training.tabular.targets import read_classes
from training.tasks.base import Plan
from training.text import runs as textruns
from training.text.batching import TextBatches, tokenize_texts
from training.text.frozen import row_features

MAX_CHARS = 1_000_000


@dataclass(frozen=True)
class ReadRows:
    """A split as it was read: `classes[i]` names row i's class; `texts` and `pictures` where asked for."""

    table: Table
    classes: list[str]
    declared: list[str] | None
    texts: list[str] | None
    pictures: Split | None


@dataclass(frozen=True)
class FusedRows:
    """`inputs`: `image` and `text` float32 [n, d], `numbers` float32 [n, d], `places` int64 [n, c]."""

    inputs: dict[str, Tensor]
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    def fingerprint(self) -> str:
        digest = hashlib.sha256(self.targets.numpy().tobytes())
        for name in sorted(self.inputs):
            digest.update(name.encode() + self.inputs[name].numpy().tobytes())
        return digest.hexdigest()

    def take(
        self, rows: Tensor, device: torch.device, seed: int | None = None
    ) -> tuple[dict[str, Tensor], Tensor]:
        inputs = {name: item[rows].to(device) for name, item in self.inputs.items()}
        return inputs, self.targets[rows].to(device)


def fused_data(recipe: Recipe) -> FusedData:
    """The recipe's data set as this task has it. Raises `UserError` where nothing is to be fused."""
    data = recipe.dataset
    assert isinstance(data, FusedData)  # the recipe's task decides its class
    if sum(one is not None for one in (data.image_column, data.text_column, data.columns)) < 2:
        text = "There must be two or more of dataset.image_column, dataset.text_column and dataset.columns."
        raise UserError("recipe:one-modality", text)
    if data.label_column in (*(data.columns or ()), data.text_column):
        text = (
            f"The label column {data.label_column!r} must not be among the inputs: it would predict itself."
        )
        raise UserError("recipe:target-in-columns", text)
    return data


def read_rows(data_dir: Path, name: str, data: FusedData) -> ReadRows:
    """Labels, texts and columns at once, pictures on demand. Raises `UserError` in the user's terms."""
    wanted = [*(data.columns or ()), *([data.text_column] if data.text_column else []), data.label_column]
    table = read_table(data_dir, name, list(dict.fromkeys(wanted)))
    declared = class_names(table, data_dir, data.label_column)
    classes = read_classes(table, data.label_column, declared)
    pictures = None
    if data.image_column:
        pictures = read_split(data_dir, name, image_column=data.image_column, label_column=data.label_column)
        if len(pictures) != table.rows:
            raise UserError("data:broken-table", f"The split {name!r} has other rows than pictures.")
    texts = _texts(table, data.text_column) if data.text_column else None
    return ReadRows(table, classes, declared, texts, pictures)


def picture_features(plan: Plan, split: Split, rows: Sequence[int], size: int | None) -> Tensor:
    """float32 [n, d] of the pictures of `rows` (ascending) by the encoder in `image/`."""
    labels = ["0", "1"]  # a head that is taken off again
    network = model.prepare_network(
        _encoder_dir(plan, "image"), labels=labels, image_size=size, scratch=False, seed=0
    )
    pixels = load_pixels(split, rows, network.spec.geometry, check=plan.reporter.check)
    return pixel_features(plan, network, pixels)


def pixel_features(plan: Plan, network: model.Network, pixels: Tensor) -> Tensor:
    """float32 [n, d] of uint8 [n, 3, size, size]; kept in the plan's cache."""
    spec = network.spec
    network.to(plan.device)
    with model.without_head(network) as body:
        body.eval()
        key = FeatureKey.of(
            body,
            preprocessing={"mean": spec.mean, "std": spec.std},
            images=hashlib.sha256(pixels.numpy().data).hexdigest(),
            device=plan.device,
        )
        return cached_features(
            key,
            plan.cache_dir,
            lambda: frozen_features(
                body,
                normalized(pixels, spec, plan.device),
                n=len(pixels),
                device=plan.device,
                progress=lambda done, total: None,
                check=plan.reporter.check,
            ),
        )


def text_features(plan: Plan, texts: Sequence[str], max_tokens: int) -> Tensor:
    """float32 [n, d] by the encoder in `text/`: the mean over tokens, where its kind has it."""
    inner = replace(plan, base_dir=_encoder_dir(plan, "text"))
    opened = textruns.open_model(inner, ["0", "1"], tokens=False, max_tokens=max_tokens)
    opened.encoder.net.to(plan.device)
    flat = tokenize_texts(opened.tokenizer, list(texts), None, opened.max_tokens)
    nothing = torch.zeros(len(texts), dtype=torch.long)
    batches = TextBatches(flat, opened.tokenizer.pad_token_id, nothing)
    return row_features(inner, opened.encoder, batches)


def taken(split: ReadRows, rows: Sequence[int]) -> tuple[Table, list[str], list[str] | None]:
    """Table, classes and texts of these rows."""
    texts = None if split.texts is None else [split.texts[row] for row in rows]
    return split.table.take(np.array(rows)), [split.classes[row] for row in rows], texts


def _texts(table: Table, column: str) -> list[str]:
    cells = table.column(column)
    if cells.kind != "text":
        raise UserError("data:not-a-text", f"The column {column!r} must hold texts.")
    for row, cell in enumerate(cells.values):
        if cell is None or not cell.strip() or cell in MISSING:
            raise UserError("data:empty-text", f"The text in {column!r} is empty {table.where(row)}.")
        if len(cell) > MAX_CHARS:
            text = f"The text in {column!r} {table.where(row)} has more than {MAX_CHARS:,} characters."
            raise UserError("data:too-large", text)
    return [str(cell) for cell in cells.values]


def _encoder_dir(plan: Plan, name: str) -> Path:
    found = plan.base() / name
    if not (found / "config.json").is_file():
        text = f"The base model has no encoder in {name}/ (no {name}/config.json)."
        raise UserError("model:no-encoder", text)
    return found
