"""`config.json` of a model repo: which network, classes and preprocessing. Written so that timm reads it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.errors import UserError
from training.images import FILTERS, Geometry
from training.jsonfiles import read_object

MAX_MEBIBYTES = 16
MAX_CLASSES = 100_000
LIBRARIES = ("torchvision", "timm", "keras")
# What the outputs mean, by transformers' names for it. Classification is what a config without one means.
CLASSES, NUMBER, TAGS = "single_label_classification", "regression", "multi_label_classification"
RESAMPLE = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3}
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Scale:
    """A target in its own units is `std` times the standardised one plus `mean`."""

    mean: float
    std: float


@dataclass(frozen=True)
class ModelSpec:
    """`labels[i]` names output i and may be empty; `mean` and `std` per channel on pixels scaled to 0..1.

    `hidden` and `pooling`: a head that is not the architecture's own, see `heads`. `target`: mean and
    deviation a regression learnt with, for people to read; the weights on disk give numbers in their unit.
    `quantiles`: one for each output of a regression that tells several, rising; empty for the number itself.
    """

    architecture: str
    library: str
    num_classes: int
    labels: tuple[str, ...] = ()
    image_size: int = 224
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    interpolation: str = "bilinear"
    crop_pct: float = 1.0
    problem: str = CLASSES
    hidden: int | None = None
    pooling: str = "own"
    target: Scale | None = None
    quantiles: tuple[float, ...] = ()

    @property
    def geometry(self) -> Geometry:
        return Geometry(self.image_size, self.crop_pct, self.interpolation)


def read_spec(model_dir: Path, default: dict[str, Any] | None = None) -> ModelSpec:
    """Read and check `config.json`. Raises `UserError` `model:bad-config` in the user's terms.

    `default`: fields it may leave out, told by the weights' own file; with them it may be missing altogether.
    """
    path = model_dir / "config.json"
    if default and not path.exists():
        return _build(default)
    config = read_object(path, MAX_MEBIBYTES, _bad, whose="The base model")
    nested = config.get("pretrained_cfg")
    flat = {**nested, **config} if isinstance(nested, dict) else config
    flat = {**(default or {}), **flat}
    try:
        return _build(flat)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise _bad(f"a field has the wrong type or value ({str(error)[:100]})") from None


def write_spec(model_dir: Path, spec: ModelSpec, num_features: int, head: str = "") -> None:
    """Write `config.json` in timm's layout and `preprocessor_config.json` in transformers'.

    `head`: name of the layer that gives the outputs, told where it is not the architecture's own.
    """
    size = [3, spec.image_size, spec.image_size]
    config: dict[str, Any] = {
        "architecture": spec.architecture,
        "library_name": spec.library,
        "num_classes": spec.num_classes,
        "num_features": num_features,
        "label_names": list(spec.labels),
        "pretrained_cfg": {
            "input_size": size,
            "mean": list(spec.mean),
            "std": list(spec.std),
            "interpolation": spec.interpolation,
            "crop_pct": spec.crop_pct,
            "crop_mode": "center",
            "num_classes": spec.num_classes,
        },
    }
    if spec.problem != CLASSES:
        config["problem_type"] = spec.problem
    if spec.target is not None:
        config["target"] = {"mean": spec.target.mean, "std": spec.target.std}
    if spec.quantiles:
        config["quantiles"] = list(spec.quantiles)
    if spec.hidden is not None or spec.pooling != "own":
        config["head"] = {"name": head, "hidden": spec.hidden, "pooling": spec.pooling}
    side = {"height": spec.image_size, "width": spec.image_size}
    preprocessor = {
        "do_resize": True,
        "size": {"shortest_edge": round(spec.image_size / spec.crop_pct)},
        "do_center_crop": True,
        "crop_size": side,
        "resample": RESAMPLE[spec.interpolation],
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(spec.mean),
        "image_std": list(spec.std),
    }
    for name, content in (("config.json", config), ("preprocessor_config.json", preprocessor)):
        text = json.dumps(content, indent=2, ensure_ascii=False)
        (model_dir / name).write_text(text + "\n", encoding="utf-8")


def _build(flat: dict[str, Any]) -> ModelSpec:
    architecture = flat.get("architecture") or flat.get("arch")
    if not isinstance(architecture, str):
        raise _bad("it names no architecture")
    library = flat.get("library_name") or flat.get("library") or "timm"
    if library not in LIBRARIES:
        raise _bad(f"its library must be one of {', '.join(LIBRARIES)}")
    if flat.get("model_args"):
        raise _bad("model_args are not supported")
    labels = _labels(flat)
    num_classes = int(flat.get("num_classes", len(labels) or 1000))
    if not 0 <= num_classes <= MAX_CLASSES:
        raise _bad(f"num_classes must be between 0 and {MAX_CLASSES:,}")
    if labels and len(labels) != num_classes:
        raise _bad(f"it names {len(labels)} labels for {num_classes} classes")
    size = flat.get("image_size") or flat.get("input_size") or 224
    size = int(size[-1] if isinstance(size, list) else size)
    crop_pct = float(flat.get("crop_pct") or 1.0)
    interpolation = str(flat.get("interpolation") or "bilinear")
    if not 8 <= size <= 2048 or not 0.1 <= crop_pct <= 1.0:
        raise _bad("image_size must be between 8 and 2048 and crop_pct between 0.1 and 1")
    return ModelSpec(
        architecture=architecture,
        library=library,
        num_classes=num_classes,
        labels=labels,
        image_size=size,
        mean=_channels(flat.get("mean"), IMAGENET_MEAN, 0.0),
        std=_channels(flat.get("std"), IMAGENET_STD, 1e-6),
        interpolation=interpolation if interpolation in FILTERS else "bilinear",
        crop_pct=crop_pct,
        problem=problem if (problem := flat.get("problem_type")) in (NUMBER, TAGS) else CLASSES,
        target=_scale(flat.get("target")),
        quantiles=_quantiles(flat.get("quantiles"), num_classes),
        **_head(flat.get("head")),
    )


def _scale(found: Any) -> Scale | None:
    return Scale(float(found["mean"]), float(found["std"])) if isinstance(found, dict) else None


def _quantiles(found: Any, outputs: int) -> tuple[float, ...]:
    levels = tuple(float(level) for level in found or ())
    rising = list(levels) == sorted(set(levels)) and all(0 < level < 1 for level in levels)
    if levels and not (rising and 0.5 in levels and len(levels) == outputs):
        raise _bad("its quantiles must rise between 0 and 1 through 0.5, one for each output")
    return levels


def _head(found: Any) -> dict[str, Any]:
    """Fields of a head that is not the architecture's own."""
    if not isinstance(found, dict):
        return {}
    hidden, pooling = found.get("hidden"), found.get("pooling", "own")
    if pooling not in ("own", "average") or not (
        hidden is None or (type(hidden) is int and 1 <= hidden <= 65_536)
    ):
        raise _bad("its head must have pooling own or average and at most 65,536 hidden units")
    return {"hidden": hidden, "pooling": pooling}


def _labels(flat: dict[str, Any]) -> tuple[str, ...]:
    """Class names by index from `label_names`, `labels` or transformers' `id2label`."""
    found = flat.get("label_names") or flat.get("labels") or flat.get("id2label") or []
    if isinstance(found, dict):
        by_index = {int(key): str(name) for key, name in found.items()}
        found = [by_index[index] for index in range(len(by_index))]
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise _bad("its labels must be a list of names")
    if len(set(found)) != len(found):
        raise _bad("its labels name a class twice")
    return tuple(found)


def _channels(found: Any, default: tuple[float, ...], least: float) -> tuple[float, ...]:
    if not found:
        return default
    values = tuple(float(value) for value in found)
    if len(values) != 3 or not all(least <= value <= 1e3 for value in values):
        raise _bad("mean and std must be three numbers each")
    return values


def _bad(reason: str) -> UserError:
    return UserError("model:bad-config", f"The model's config.json cannot be used: {reason}.")
