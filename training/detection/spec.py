"""`config.json` of a detector: which network, which classes, how pictures go in."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from training.detection.trunks import Tap
from training.errors import UserError
from training.jsonfiles import read_object
from training.spec import IMAGENET_MEAN, IMAGENET_STD

MAX_MEBIBYTES = 16
MAX_CLASSES = 1_000
BACKGROUND = "__background__"
# torchvision's constructors, by name; those with masks or key points answer other questions.
DETECTORS = (
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "fasterrcnn_mobilenet_v3_large_fpn",
    "fasterrcnn_resnet50_fpn",
    "fasterrcnn_resnet50_fpn_v2",
    "fcos_resnet50_fpn",
    "retinanet_resnet50_fpn",
    "retinanet_resnet50_fpn_v2",
    "ssd300_vgg16",
    "ssdlite320_mobilenet_v3_large",
)
SMALLEST, LARGEST = 16, 1024
MODEL_TYPE = "object-detector"


@dataclass(frozen=True)
class FcosSpec:
    """An FCOS on the feature maps of a classification network: width of the pyramid and of the head's
    convolutions, how many of these, and the maps that are read, finest first.
    """

    width: int
    depth: int
    taps: tuple[Tap, ...]


@dataclass(frozen=True)
class DetectorSpec:
    """`labels` without the background, which torchvision counts as class 0. `fcos` None: a constructor of
    torchvision's own, named by `architecture`. Pictures are squeezed to `image_size` pixels a side.
    """

    architecture: str
    library: str
    labels: tuple[str, ...]
    num_classes: int
    image_size: int
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    fcos: FcosSpec | None = None


def is_detector(config: dict[str, Any]) -> bool:
    """Whether a config describes a detector, and not a classifier to make one of."""
    return config.get("architecture") in DETECTORS or config.get("model_type") == MODEL_TYPE


def read_config(model_dir: Path) -> dict[str, Any]:
    """The object in `config.json`. Raises `UserError` `model:no-config` and `model:bad-config`."""
    return read_object(model_dir / "config.json", MAX_MEBIBYTES, bad_config, whose="The base model")


def read_detector(model_dir: Path) -> DetectorSpec:
    """Read and check the config of a detector. Raises `UserError` `model:wrong-kind` for other models."""
    config = read_config(model_dir)
    if not is_detector(config):
        found = str(config.get("architecture") or config.get("model_type") or "something else")[:60]
        raise UserError("model:wrong-kind", f"The model is no detector: its config.json describes {found!r}.")
    try:
        return _build(config)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise bad_config(f"a field has the wrong type or value ({str(error)[:100]})") from None


def write_detector(model_dir: Path, spec: DetectorSpec) -> None:
    """Write `config.json`, and `preprocessor_config.json` in transformers' layout."""
    side = {"height": spec.image_size, "width": spec.image_size}
    config: dict[str, Any] = {
        "architecture": spec.architecture,
        "library_name": spec.library,
        "model_type": MODEL_TYPE,
        "num_classes": spec.num_classes,
        "label_names": [BACKGROUND, *spec.labels],
        "image_size": spec.image_size,
        "mean": list(spec.mean),
        "std": list(spec.std),
    }
    if spec.fcos is not None:
        config["fcos"] = asdict(spec.fcos)
    # Detectors of torchvision normalise by themselves.
    preprocessor = {"do_resize": True, "size": side, "resample": 2, "do_rescale": True, "do_normalize": False}
    preprocessor["rescale_factor"] = 1 / 255
    for name, content in (("config.json", config), ("preprocessor_config.json", preprocessor)):
        text = json.dumps(content, indent=2, ensure_ascii=False)
        (model_dir / name).write_text(text + "\n", encoding="utf-8")


def _build(config: dict[str, Any]) -> DetectorSpec:
    labels = config.get("label_names") or []
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise bad_config("its label_names must be a list of names")
    if labels[:1] == [BACKGROUND]:
        labels = labels[1:]
    count = int(config.get("num_classes", len(labels) + 1 if labels else 91))
    if not 2 <= count <= MAX_CLASSES + 1:
        raise bad_config(f"num_classes, the background among them, must be from 2 to {MAX_CLASSES + 1:,}")
    if labels and len(labels) + 1 != count:
        raise bad_config(f"it names {len(labels)} classes for {count} outputs with the background")
    architecture, library = config["architecture"], config.get("library_name", "torchvision")
    fcos = _fcos(config["fcos"]) if config.get("fcos") is not None else None
    if fcos is None and architecture not in DETECTORS:
        raise bad_config(f"it names no detector of torchvision's: {str(architecture)[:60]!r}")
    size = config.get("image_size")
    if size is not None and (type(size) is not int or not SMALLEST <= size <= LARGEST):
        raise bad_config(f"image_size must be a whole number from {SMALLEST} to {LARGEST:,}")
    return DetectorSpec(
        str(architecture),
        str(library),
        tuple(labels),
        count,
        size or 0,
        _channels(config.get("mean"), IMAGENET_MEAN, 0.0),
        _channels(config.get("std"), IMAGENET_STD, 1e-6),
        fcos,
    )


def _fcos(plain: dict[str, Any]) -> FcosSpec:
    taps = tuple(
        Tap(str(item["child"]), _whole(item["channels"]), _whole(item["stride"])) for item in plain["taps"]
    )
    width, depth = _whole(plain["width"]), _whole(plain["depth"])
    if not 1 <= len(taps) <= 4 or width % 32 or width > 1024 or depth > 16:
        raise bad_config("its fcos section is out of bounds")
    return FcosSpec(width, depth, taps)


def _whole(found: Any) -> int:
    if type(found) is not int or not 1 <= found <= 100_000:
        raise ValueError("a size must be a whole number")
    return found


def _channels(found: Any, default: tuple[float, ...], least: float) -> tuple[float, ...]:
    values = tuple(float(value) for value in found) if found else default
    if len(values) != 3 or not all(least <= value <= 1e3 for value in values):
        raise bad_config("mean and std must be three numbers each")
    return values


def bad_config(reason: str) -> UserError:
    return UserError("model:bad-config", f"The model's config.json cannot be used: {reason}.")
