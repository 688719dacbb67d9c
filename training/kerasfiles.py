"""A `.keras` file as data: a zip, bounded and known before Keras sees any of it; nothing is executed."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.errors import UserError

FILE = "model.keras"
MEMBERS = ("metadata.json", "config.json", "model.weights.h5")
MAX_FILE_BYTES = 2 * 2**30
MAX_JSON_BYTES = 16 * 2**20
# Keras stores weights as they are; a member that grows this much is made to fill the memory.
MAX_GROWTH = 100
MAX_DEPTH = 60
MAX_LAYERS = 5_000
MAX_DATASETS = 50_000
MAX_SIZE = 65_536
MAX_ENLARGEMENT = 256
LAYERS = frozenset((
    "InputLayer", "Dense", "Conv2D", "Conv2DTranspose", "DepthwiseConv2D", "SeparableConv2D",
    "BatchNormalization", "LayerNormalization", "GroupNormalization", "UnitNormalization",
    "Normalization", "Rescaling", "Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Softmax",
    "MaxPooling2D", "AveragePooling2D", "GlobalAveragePooling2D", "GlobalMaxPooling2D", "Flatten",
    "Reshape", "Permute", "Dropout", "SpatialDropout2D", "GaussianDropout", "GaussianNoise",
    "ActivityRegularization", "Identity", "Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum",
    "Concatenate", "ZeroPadding2D", "Cropping2D", "UpSampling2D", "Resizing", "CenterCrop", "RandomFlip",
    "RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast", "RandomBrightness",
))  # fmt: skip
MODELS = {"Functional": ("keras", "keras.src.models.functional"), "Sequential": ("keras",)}
# Objects that hold numbers and say how weights began or were held back; they are Keras's own by module.
PLAIN_MODULES = ("keras.initializers", "keras.regularizers", "keras.constraints")
# How the graph names its edges.
EDGES = ("__keras_tensor__", "__tuple__")


@dataclass(frozen=True)
class KerasFile:
    """`config`: the architecture, every class in it known, without what compiling left; `weights`: HDF5."""

    config: dict[str, Any]
    weights: bytes
    weight_bytes: int


def is_keras(model_dir: Path) -> bool:
    """Whether config.json says Keras, or there is nothing but a Keras file to read."""
    try:
        found = json.loads((model_dir / "config.json").read_bytes()[:MAX_JSON_BYTES])
    except (OSError, ValueError, RecursionError):
        found = None
    if isinstance(found, dict) and found.get("library_name") in ("keras", "tf-keras"):
        return True
    other = (model_dir / "model.safetensors").exists() or isinstance(found, dict)
    return not other and any(next(model_dir.glob(kind), None) for kind in ("*.keras", "*.h5", "*.hdf5"))


def find_file(model_dir: Path) -> Path:
    """The directory's one `.keras` file. Raises `UserError` for none, for several and for old HDF5."""
    found = sorted(path for path in model_dir.glob("*.keras") if path.is_file())
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(path.name[:60] for path in found[:4])
        raise UserError("model:several", f"The base model holds several .keras files ({names}); keep one.")
    if any(model_dir.glob("*.h5")) or any(model_dir.glob("*.hdf5")):
        text = "Old HDF5 files of Keras (.h5) may hold code and are not read; save it as .keras with Keras 3."
        raise UserError("model:old-keras", text)
    raise UserError("model:no-weights", "The base model has no .keras file.")


def read_file(path: Path) -> KerasFile:
    """Read and check a `.keras` file. Raises `UserError` in one sentence; nothing in it is executed."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise bad(path.name, "it is larger than 2 GiB")
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive)
            config = json.loads(archive.read("config.json"))
            weights = archive.read("model.weights.h5")
    except OSError:
        raise bad(path.name, "it cannot be read") from None
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, KeyError):
        raise bad(path.name, "it is no zip as Keras 3 writes it") from None
    except (ValueError, RecursionError):
        raise bad(path.name, "its config.json is not valid JSON") from None
    if not isinstance(config, dict) or config.get("class_name") not in MODELS:
        raise bad(path.name, "it holds no functional or sequential model")
    known = _known(config, path.name, 0)
    return KerasFile(known, weights, _checked_weights(weights, path.name))


def bad(name: str, reason: str) -> UserError:
    return UserError("model:bad-keras", f"The Keras file {name[:100]} cannot be used: {reason}.")


def _check_members(path: Path, archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    for member in members:
        if member.filename not in MEMBERS:
            reason = f"it holds {member.filename[:60]!r}, which has no place in a model of numbers"
            raise bad(path.name, reason)
        limit = MAX_FILE_BYTES if member.filename == MEMBERS[2] else MAX_JSON_BYTES
        grows = member.file_size > MAX_GROWTH * max(member.compress_size, 1000)
        if member.file_size > limit or grows:
            raise bad(path.name, f"{member.filename} says it unpacks to {member.file_size:,} bytes")
        if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise bad(path.name, f"{member.filename} is encrypted or packed in a way Keras does not use")
    if sorted(member.filename for member in members) != sorted(MEMBERS):
        raise bad(path.name, f"it must hold {', '.join(MEMBERS)}, each once")


def _known(found: Any, name: str, depth: int) -> Any:
    """The same JSON, every class in it one of Keras's own that only computes; what compiling left is gone."""
    if depth > MAX_DEPTH:
        raise bad(name, "its config.json is nested too deeply")
    if isinstance(found, list):
        return [_known(item, name, depth + 1) for item in found]
    if not isinstance(found, dict):
        return found
    if "class_name" in found:
        _check_class(found, name)
    kept = ((key, item) for key, item in found.items() if key != "compile_config")
    return {key: _known(item, name, depth + 1) for key, item in kept}


def _check_class(found: dict[str, Any], name: str) -> None:
    kind, module = found["class_name"], found.get("module")
    config = found.get("config")
    if not isinstance(kind, str):
        raise bad(name, "a class in its config.json has no name")
    if kind in EDGES:
        return
    if kind == "Lambda" or kind == "__lambda__":
        raise bad(name, "it has a Lambda layer, which is code, and code of a model is never run")
    if found.get("registered_name") not in (None, kind) or not isinstance(config, dict):
        raise bad(name, f"its {kind[:60]!r} is no layer of keras.layers; custom objects are not loaded")
    if kind in MODELS and module in MODELS[kind]:
        if len(config.get("layers") or []) > MAX_LAYERS:
            raise bad(name, f"it has more than {MAX_LAYERS:,} layers")
        return
    if kind == "DTypePolicy" and module == "keras":
        if config.get("name") != "float32":
            raise bad(name, f"it computes in {str(config.get('name'))[:30]}; save it with the policy float32")
        return
    if module == "keras.layers" and kind in LAYERS:
        _check_layer(kind, config, name)
    elif module not in PLAIN_MODULES or not kind.isidentifier():
        reason = f"its {kind[:60]!r} is no layer that we load: only common image layers of keras.layers are"
        raise bad(name, reason)


def _check_layer(kind: str, config: dict[str, Any], name: str) -> None:
    """Sizes that no image model has would fill the memory before a single weight is read."""
    limit = MAX_ENLARGEMENT if kind in ("UpSampling2D", "ZeroPadding2D") else MAX_SIZE
    for key, value in config.items():
        numbers = [value] if not isinstance(value, list) else value
        flat = [part for one in numbers for part in (one if isinstance(one, list) else [one])]
        if key != "seed" and any(isinstance(one, int) and abs(one) > limit for one in flat):
            raise bad(name, f"{key[:40]} of a {kind} layer is beyond {limit:,}")
    dtype = config.get("dtype")
    if isinstance(dtype, str) and dtype != "float32":
        raise bad(name, f"it computes in {dtype[:30]}; save it with the policy float32")


def _checked_weights(content: bytes, name: str) -> int:
    """Bytes of all tensors: plain numbers in this very file, as Keras writes them."""
    import h5py

    total = count = 0
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            waiting: list[Any] = [file]
            while waiting:
                group = waiting.pop()
                for key in group:
                    count += 1
                    # A link may lead to another file, or round in a circle.
                    if count > MAX_DATASETS or not isinstance(group.get(key, getlink=True), h5py.HardLink):
                        raise bad(name, "its weights hold links or too many parts")
                    item = group[key]
                    if isinstance(item, h5py.Group):
                        waiting.append(item)
                    else:
                        total += _plain_bytes(item, name)
    except UserError:
        raise
    except Exception:
        # h5py raises nearly anything for damaged files (OSError, KeyError, RuntimeError, ValueError, …).
        raise bad(name, "its weights are no intact HDF5 file") from None
    if total > len(content):
        raise bad(name, "its weights declare more numbers than the file holds")
    return total


def _plain_bytes(item: Any, name: str) -> int:
    stored = item.chunks is None and item.external is None and not item.is_virtual
    if not stored or item.dtype.kind not in "fiub":
        raise bad(name, "its weights are not plain numbers stored in the file itself")
    return int(item.size) * int(item.dtype.itemsize)
