"""Pictures of coloured squares on noise, and their masks, in every layout that is read."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from torchvision.models import get_model

from tests.training.world import Listener
from training.finetune import FinetuneResult, finetune
from training.recipe import Recipe, parse_recipe
from training.spec import ModelSpec, write_spec
from training.weights import write_weights

LABELS = ("ground", "red", "blue")
SIDE = 48
IGNORED = 255
Pair = tuple[Image.Image, Image.Image]


def scene(generator: np.random.Generator, height: int = 40, width: int = SIDE) -> Pair:
    """Grey noise with a red and a blue square; the outermost pixels are of no class."""
    pixels = generator.integers(60, 120, (height, width, 3), dtype=np.uint8)
    mask = np.zeros((height, width), dtype=np.uint8)
    for index, channel in ((1, 0), (2, 2)):
        side = int(generator.integers(12, 20))
        top, left = (int(generator.integers(0, edge - side)) for edge in (height, width))
        pixels[top : top + side, left : left + side, channel] = 230
        pixels[top : top + side, left : left + side, 2 - channel] = 20
        mask[top : top + side, left : left + side] = index
    mask[0] = mask[-1] = IGNORED
    return Image.fromarray(pixels), Image.fromarray(mask)


def scenes(count: int, seed: int = 0) -> list[Pair]:
    generator = np.random.default_rng(seed)
    return [scene(generator) for _ in range(count)]


def write_split(folder: Path, split: str, pairs: Sequence[Pair], layout: str = "parquet") -> Path:
    """`layout`: parquet, jsonl (a table of files beside it), or folders of equal stems."""
    folder.mkdir(parents=True, exist_ok=True)
    if layout == "parquet":
        cells = [{"image": cell(image), "mask": cell(mask)} for image, mask in pairs]
        write_cells(folder, split, cells)
        return folder
    places = (
        {"image": folder / "images" / split, "mask": folder / "masks" / split}
        if layout == "folders"
        else {name: folder / split / f"{name}s" for name in ("image", "mask")}
    )
    rows = []
    for place in places.values():
        place.mkdir(parents=True, exist_ok=True)
    for index, (image, mask) in enumerate(pairs):
        image.save(places["image"] / f"{index:03}.bmp")
        mask.save(places["mask"] / f"{index:03}.png")
        rows.append({"file_name": f"images/{index:03}.bmp", "mask": f"masks/{index:03}.png"})
    if layout == "jsonl":
        (folder / split / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def write_cells(folder: Path, split: str, cells: Sequence[dict[str, Any]]) -> None:
    place = folder / "data"
    place.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(cells)), place / f"{split}-00000-of-00001.parquet")


def cell(image: Image.Image, kind: str = "PNG") -> dict[str, Any]:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return {"bytes": buffer.getvalue(), "path": None}


def write_scenes(folder: Path, *, train: int = 24, test: int = 6, layout: str = "parquet") -> Path:
    write_split(folder, "train", scenes(train, 0), layout)
    write_split(folder, "test", scenes(test, 1), layout)
    (folder / "id2label.json").write_text(json.dumps(dict(enumerate(LABELS))))
    return folder


def write_net(folder: Path, architecture: str, labels: tuple[str, ...] = ("a", "b")) -> Path:
    """One of torchvision's segmentation nets with random weights, as a base model."""
    folder.mkdir(parents=True)
    torch.manual_seed(3)
    extra = {} if architecture.startswith("lraspp") else {"aux_loss": True}
    net = get_model(architecture, weights=None, weights_backbone=None, num_classes=len(labels), **extra)
    write_weights(folder / "model.safetensors", net.state_dict())
    spec = ModelSpec(
        architecture, "torchvision", len(labels), labels, image_size=SIDE, mean=(0.5,) * 3, std=(0.25,) * 3
    )
    write_spec(folder, spec, 0)
    return folder


def write_segformer(folder: Path, labels: tuple[str, ...] = ("a", "b")) -> Path:
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    torch.manual_seed(3)
    config = SegformerConfig(
        hidden_sizes=[8, 16, 16, 32],
        depths=[1, 1, 1, 1],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=16,
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
    )
    SegformerForSemanticSegmentation(config).save_pretrained(folder)
    plain = {"size": {"height": SIDE, "width": SIDE}, "image_mean": [0.5] * 3, "image_std": [0.25] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(plain))
    return folder


def masked(**sections: Any) -> Recipe:
    """A full fine-tune of two short epochs unless told otherwise."""
    plain: dict[str, Any] = {
        "task": "semantic-segmentation",
        "base_model": {"repo": "base"},
        "dataset": {"repo": "data", "image_size": SIDE, **sections.pop("dataset", {})},
        "strategy": {"kind": "full", **sections.pop("strategy", {})},
        "optim": {"lr": 1e-2, "epochs": 2, "batch_size": 6, **sections.pop("optim", {})},
        **sections,
    }
    return parse_recipe(plain)


def run(
    given: Recipe, base: Path, data: Path, work: Path, listener: Listener | None = None
) -> FinetuneResult:
    return finetune(
        given, base_dir=base, data_dir=data, work_dir=work, reporter=listener or Listener(), report_seconds=0
    )
