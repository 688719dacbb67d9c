"""A published fusion: the encoders in `image/` and `text/`, the fusion itself beside them.

    from training.multimodal.published import load_fusion

    model = load_fusion("path/to/model")

Each encoder's folder loads with the library of its kind; the fusion is read by this module.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from training.errors import UserError
from training.jsonfiles import read_object
from training.multimodal.nets import FUSIONS, MODALITIES, FusionConfig, FusionNet, build
from training.tabular.encoding import Encoder
from training.tabular.storing import Preprocessing
from training.tabular.targets import MAX_CLASSES, ClassTarget
from training.weights import load_weights, read_header, write_weights

WEIGHTS, CONFIG = "model.safetensors", "config.json"
FORMAT = "tuneyard-fusion-1"
MAX_MEBIBYTES = 16
MAX_WIDTH = 1_000_000


@dataclass
class FusionModel:
    """`encoder` is of the columns, None without any; `sources`: recipe columns of each modality."""

    folder: Path
    net: FusionNet
    classes: list[str]
    encoder: Encoder | None
    sources: dict[str, Any]


def save_fusion(model: FusionModel, target: Path, base_dir: Path) -> None:
    """The encoders as the base has them, byte by byte, and what has been learned."""
    target.mkdir(parents=True, exist_ok=True)
    config = model.net.head.config
    for name in config.vectors:
        shutil.copytree(base_dir / name, target / name, dirs_exist_ok=True, ignore=_unwanted)
    write_weights(target / WEIGHTS, model.net.state_dict())
    plain = {
        "library_name": "tuneyard",
        "model_type": "fusion",
        "pipeline_tag": "other",
        "format": FORMAT,
        "network": config.as_dict(),
        "label_names": model.classes,
        "sources": model.sources,
    }
    text = json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False)
    (target / CONFIG).write_text(text + "\n", encoding="utf-8")
    if model.encoder is not None:
        Preprocessing(model.encoder, ClassTarget("label", tuple(model.classes)), {}).save(target)


def load_fusion(folder: Path | str) -> FusionModel:
    """The model of a directory. Raises `UserError` for files that are missing, torn or of another model."""
    folder = Path(folder)
    plain = read_object(folder / CONFIG, MAX_MEBIBYTES, _bad)
    if plain.get("model_type") != "fusion" or plain.get("format") != FORMAT:
        found = plain.get("model_type") or plain.get("architecture") or "something else"
        text = f"The model is no fusion of Tuneyard: its config.json describes {str(found)[:60]!r}."
        raise UserError("model:wrong-kind", text)
    try:
        config, classes = _config(dict(plain["network"])), list(plain["label_names"])
        sources = dict(plain["sources"])
        if len(classes) != config.outputs or not all(isinstance(name, str) for name in classes):
            raise ValueError("it must name a class for every output")
        if set(sources) != {"image_column", "text_column", "columns", "image_size", "max_tokens"}:
            raise ValueError("its sources have other fields")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _bad(str(error)[:150] or type(error).__name__) from None
    encoder = Preprocessing.load(folder).encoder if config.columns else None
    if encoder is not None and (encoder.numbers, tuple(encoder.sizes)) != (config.numbers, config.sizes):
        raise _bad("its network does not fit preprocessing.json")
    with torch.device("meta"):
        wanted = {(name, tuple(item.shape)) for name, item in build(config, seed=0).state_dict().items()}
    wrong = wanted ^ {(name, entry.shape) for name, entry in read_header(folder / WEIGHTS).items()}
    weights = {} if wrong else load_weights(folder / WEIGHTS)
    if wrong or not all(item.isfinite().all() for item in weights.values()):
        text = "model.safetensors does not hold the network of config.json."
        raise UserError("model:wrong-weights", text)
    net = build(config, seed=0)
    net.load_state_dict(weights)
    return FusionModel(folder, net.eval(), classes, encoder, sources)


def _config(plain: dict[str, Any]) -> FusionConfig:
    if set(plain) != {field.name for field in dataclasses.fields(FusionConfig)}:
        raise ValueError("its network has other fields")
    if plain["kind"] not in (*FUSIONS, *MODALITIES):
        raise ValueError("network.kind is unknown")
    vectors = {name: _whole(width) for name, width in dict(plain["vectors"]).items()}
    if not set(vectors) <= {"image", "text"} or not 0 <= float(plain["dropout"]) < 1:
        raise ValueError("network.vectors or network.dropout is out of bounds")
    sizes = tuple(_whole(size) for size in plain["sizes"])
    whole = {name: _whole(plain[name]) for name in ("numbers", "outputs", "width")}
    if not 2 <= whole["outputs"] <= MAX_CLASSES or not whole["width"]:
        raise ValueError("network.outputs or network.width is out of bounds")
    config = FusionConfig(
        plain["kind"],
        vectors,
        whole["numbers"],
        sizes,
        whole["outputs"],
        whole["width"],
        float(plain["dropout"]),
    )
    if not config.modalities or any(name != "table" and name not in vectors for name in config.modalities):
        raise ValueError("network.kind names what the model has not")
    return config


def _whole(found: Any) -> int:
    if type(found) is not int or not 0 <= found <= MAX_WIDTH:
        raise ValueError(f"a size must be a whole number up to {MAX_WIDTH:,}")
    return found


def _unwanted(folder: str, names: list[str]) -> set[str]:
    """No hidden files, no links, no folders: an encoder's own files only."""
    return {
        name
        for name in names
        if name.startswith(".") or (Path(folder) / name).is_symlink() or (Path(folder) / name).is_dir()
    }


def _bad(reason: str) -> UserError:
    return UserError("model:bad-config", f"The model's config.json cannot be used: {reason}.")
