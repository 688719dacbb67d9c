"""A Keras 3 model as base, on torch: its body as it is, in inference mode, and a head of ours behind it.

Batch statistics and dropout of the body stand still even where its weights learn: what Keras's own guide to
fine-tuning does by `base_model(x, training=False)`. Autograd goes through, so every strategy works.
"""

from __future__ import annotations

import copy
import json
import logging
import os
import re
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training import model
from training.errors import UserError
from training.kerasfiles import FILE, KerasFile, bad, find_file, read_file
from training.model import Network
from training.recipe import HeadSpec
from training.spec import CLASSES, ModelSpec, read_spec, write_spec

log = logging.getLogger(__name__)

# Grey from colour as Pillow and the JPEG standard have it (ITU-R BT.601).
GREY = (0.299, 0.587, 0.114)
# Endings of a classifier; anything else at the end is a feature.
ANSWERS = ("softmax", "linear", "sigmoid")
BLOCK = re.compile(r"(conv\d+_block\d+|block_?\d+[a-z]?|stack_?\d+(_block_?\d+)?|stage_?\d+)(?=_|$)")
MAX_ACTIVATION = 2**28


def keras_library() -> Any:
    """The package `keras` on torch. Raises `UserError` where it is missing or runs on something else."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    try:
        import h5py  # noqa: F401
        import keras
    except ImportError:
        text = "The base model is a Keras file; install keras and h5py to use it."
        raise UserError("model:no-keras", text) from None
    if keras.config.backend() != "torch":
        text = f"Keras runs on {keras.config.backend()} here; set KERAS_BACKEND=torch."
        raise UserError("model:keras-backend", text)
    return keras


@dataclass(frozen=True)
class Graph:
    """`body` maps images of `channels` channels, last or first, to features [B, d] or a feature map.

    Kept apart from the module tree: Keras names its parameters once for every layer that they lie in.
    """

    body: Any
    channels: int
    channels_last: bool
    maps_last: bool


class Parts(nn.Module):
    """Keras's own tensors under names of ours; it computes nothing.

    `state`: statistics and preprocessing, which never learn. They move in place, since Keras holds them too.
    """

    def __init__(self, parameters: list[nn.Parameter], state: list[Tensor]) -> None:
        super().__init__()
        for index, parameter in enumerate(parameters):
            self.register_parameter(f"w{index}", parameter)
        for index, tensor in enumerate(state):
            self.register_buffer(f"s{index}", tensor)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Parts:
        for tensor in (*self.parameters(), *self.buffers()):
            tensor.data = fn(tensor.data)
        return self


class KerasNet(nn.Module):
    """[B, 3, size, size] → logits [B, classes]; `head` is torch's, everything before it Keras's."""

    # Keras moves tensors about by rules of its own: what the graph tracer records does not hold.
    traceable = False

    def __init__(self, graph: Graph, head: nn.Module) -> None:
        super().__init__()
        self.graph, self.head = graph, head
        groups, state = _stages(graph.body)
        self.stages = nn.ModuleList([Parts(group, []) for group in groups])
        self.state = Parts([], state)

    def __deepcopy__(self, memo: dict[int, Any]) -> KerasNet:
        """The body is shared: it is only ever read in a copy."""
        return KerasNet(self.graph, copy.deepcopy(self.head, memo))

    def extra_repr(self) -> str:
        """The architecture: features of one are not those of another with equal weights."""
        return json.dumps(self.graph.body.get_config(), sort_keys=True, default=str)

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.head(self._features(images))
        return found

    def _features(self, images: Tensor) -> Tensor:
        if self.graph.channels == 1:
            images = torch.einsum("bchw,c->bhw", images, images.new_tensor(GREY)).unsqueeze(1)
        if self.graph.channels_last:
            images = images.permute(0, 2, 3, 1)
        with keras_library().device(str(images.device)):
            found: Tensor = self.graph.body(images, training=False)
        if found.ndim == 4:
            return found.mean(dim=(1, 2) if self.graph.maps_last else (2, 3))
        return found


def prepare_network(
    base_dir: Path,
    *,
    labels: list[str],
    image_size: int | None,
    scratch: bool,
    seed: int,
    problem: str,
    head: HeadSpec,
) -> Network:
    """The base with a head for `labels`, as `model.prepare_network` does for other libraries."""
    if problem != CLASSES:
        text = "A Keras base model serves image-classification only; choose another base model for this task."
        raise UserError("model:wrong-kind", text)
    if scratch:
        text = "init scratch is not for a Keras base model: its batch statistics stand still; use pretrained."
        raise UserError("model:no-scratch", text)
    torch.manual_seed(seed)
    network = load_network(base_dir, pooling=head.pooling)
    assert isinstance(network.net, KerasNet)
    spec, fixed = network.spec, _sizes(network.net.graph.body)[0]
    if fixed and image_size not in (None, fixed):
        text = f"The Keras model takes {fixed}-pixel images; leave dataset.image_size empty."
        raise UserError("model:image-size", text)
    kept = spec.labels == tuple(labels) and head.hidden is None and head.pooling == "own"
    network.spec = replace(
        spec, labels=tuple(labels), num_classes=len(labels), image_size=image_size or spec.image_size
    )
    network.spec = replace(network.spec, hidden=head.hidden)
    if not kept:
        model.replace_head(network, len(labels), seed)
    return network


def load_network(model_dir: Path, *, pooling: str = "own") -> Network:
    """A Keras model, cut before its classification layer, which becomes the head.

    `pooling` average cuts at the last feature map instead, under a head that is yet to be learned.
    """
    path = find_file(model_dir)
    keras_model = _load(read_file(path), path.name)
    graph, last = _cut(keras_model, pooling, path.name)
    width = int(graph.body.outputs[0].shape[-1 if graph.maps_last else 1])
    units = int(last.units) if last is not None else 0
    spec = _spec(model_dir, keras_model, units)
    head = nn.Linear(width, units or 1)
    if last is not None and pooling == "own":
        with torch.no_grad():
            head.weight.copy_(last.kernel.value.detach().t())
            head.bias.copy_(last.bias.value.detach()) if last.use_bias else head.bias.zero_()
    net = KerasNet(graph, head).eval()
    return Network(net.requires_grad_(True), spec, "head")


def save_network(network: Network, model_dir: Path) -> None:
    """Write `model.keras`, which ends in probabilities, and config.json, which says what it takes."""
    keras, net = keras_library(), network.net
    assert isinstance(net, KerasNet)
    graph, taken = net.graph, {layer.name for layer in net.graph.body.layers}
    linear = [layer for layer in net.head.modules() if isinstance(layer, nn.Linear)]
    found = graph.body.outputs[0]
    if len(found.shape) == 4:
        order = "channels_last" if graph.maps_last else "channels_first"
        found = keras.layers.GlobalAveragePooling2D(order, name=_free("pooled", taken))(found)
    for layer in linear:
        activation, name = ("softmax", "predictions") if layer is linear[-1] else ("relu", "hidden")
        dense = keras.layers.Dense(layer.out_features, activation=activation, name=_free(name, taken))
        found = dense(found)
        dense.set_weights([layer.weight.detach().t().cpu().numpy(), layer.bias.detach().cpu().numpy()])
    whole = keras.Model(graph.body.inputs, found, name=graph.body.name)
    model_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=model_dir) as folder:
        whole.save(Path(folder) / FILE)
        _write_undated(Path(folder) / FILE, model_dir / FILE)
    _write_config(network, graph, model_dir, linear[-1].in_features)


def _write_config(network: Network, graph: Graph, model_dir: Path, num_features: int) -> None:
    spec = replace(network.spec, hidden=None, pooling="own")
    write_spec(model_dir, spec, num_features)
    path = model_dir / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    whole = spec.mean == (0.0,) * 3 and all(abs(value * 255 - 1) < 1e-6 for value in spec.std)
    plain = spec.mean == (0.0,) * 3 and spec.std == (1.0,) * 3
    pixels = "0..255" if whole else "0..1" if plain else "(pixel / 255 - mean) / std by channel"
    config["keras"] = {
        "file": FILE,
        "pixels": pixels,
        "channels": graph.channels,
        "data_format": "channels_last" if graph.channels_last else "channels_first",
        "grey": "0.299 R + 0.587 G + 0.114 B" if graph.channels == 1 else None,
        "outputs": "probabilities in the order of label_names",
    }
    path.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_undated(source: Path, target: Path) -> None:
    """The same zip without the time of writing, so that equal weights make equal files."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in sorted(old.namelist()):
            content = old.read(name)
            if name == "metadata.json":
                content = json.dumps({"keras_version": json.loads(content)["keras_version"]}).encode()
            new.writestr(zipfile.ZipInfo(name), content)


def _load(file: KerasFile, name: str) -> Any:
    """Build and fill the model; its size is known before any tensor is made."""
    keras = keras_library()
    try:
        with keras.StatelessScope(initialize_variables=False):
            sketch = keras.saving.deserialize_keras_object(copy.deepcopy(file.config), safe_mode=True)
            # Seeds of dropout are numbers too, but Keras does not keep all of them.
            tensors = [item for item in sketch.variables if "float" in item.dtype]
            wanted = sum(4 * _count(item.shape) for item in tensors)
        # The sketch's variables would be made by the next scope of the kind.
        keras.utils.clear_session(free_memory=False)
        if wanted > file.weight_bytes:
            raise bad(name, f"it wants {wanted:,} bytes of weights and holds {file.weight_bytes:,}")
        _check_activations(sketch, name)
        with keras.device("cpu"), tempfile.TemporaryDirectory() as folder:
            found = keras.saving.deserialize_keras_object(copy.deepcopy(file.config), safe_mode=True)
            weights = Path(folder) / "model.weights.h5"
            weights.write_bytes(file.weights)
            with warnings.catch_warnings():
                # A layer that finds no weights in the file is told by a warning only.
                warnings.simplefilter("error", UserWarning)
                found.load_weights(weights)
    except UserError:
        raise
    except Exception as error:
        # Whatever a config may hold that Keras does not expect.
        log.info("Keras cannot load %s: %s", name, error)
        raise bad(name, f"Keras cannot load it ({type(error).__name__})") from None
    found.trainable = True
    return found


def _count(shape: Any) -> int:
    return torch.Size([side or 1 for side in shape]).numel()


def _check_activations(sketch: Any, name: str) -> None:
    if not sketch.built or len(sketch.inputs) != 1 or len(sketch.outputs) != 1:
        raise bad(name, "it must have one image input and one output")
    for layer in _layers(sketch):
        for node in layer._inbound_nodes:
            if any(_count(tensor.shape) > MAX_ACTIVATION for tensor in node.output_tensors):
                raise bad(
                    name, f"its layer {layer.name[:60]!r} gives more than {MAX_ACTIVATION:,} numbers an image"
                )


def _layers(found: Any) -> Iterator[Any]:
    """The layers of a model and of the models in it, input to output."""
    for layer in found.layers:
        if hasattr(layer, "layers"):
            yield from _layers(layer)
        else:
            yield layer


def _stages(body: Any) -> tuple[list[list[nn.Parameter]], list[Tensor]]:
    """Parameters by block, input to output, and the tensors that never learn.

    A block is what Keras's own architectures call so (`conv4_block6`, `block_13`); elsewhere every layer with
    a kernel begins one, and the norm behind belongs to it.
    """
    groups: list[list[nn.Parameter]] = []
    state: list[Tensor] = []
    current, seen = "", set()
    for layer in _layers(body):
        weights = [
            item for item in layer.variables if item.value.is_floating_point() and id(item) not in seen
        ]
        seen |= {id(item) for item in weights}
        state += [item.value for item in weights if not item.trainable]
        learning = [item.value for item in weights if item.trainable]
        if not learning:
            continue
        block = BLOCK.match(layer.name)
        kernel = any(item.ndim > 1 for item in learning)
        key = block.group(1) if block else (layer.name if kernel else current)
        if key != current or not groups:
            groups.append([])
        groups[-1] += learning
        current = key
    return groups, state


def _cut(found: Any, pooling: str, name: str) -> tuple[Graph, Any]:
    """The graph before the classification layer, and that layer where there is one."""
    keras = keras_library()
    tensor, last = found.outputs[0], None
    while _is_ending(tensor):
        operation, inner = _behind(tensor)
        tensor = inner
        if hasattr(operation, "units"):
            last = operation
            break
    behind = _behind(tensor)[0]
    if len(tensor.shape) == 2 and hasattr(behind, "layers") and _is_ending(behind.outputs[0]):
        raise bad(name, "its classification layer lies in a model within the model; put it outside")
    if pooling == "average":
        tensor = _last_map(found, name)
    if len(tensor.shape) not in (2, 4) or any(side is None for side in tensor.shape[-1:]):
        raise bad(name, "it ends neither in features nor in a feature map")
    size, channels, channels_last = _sizes(found)
    if channels not in (1, 3) or size is None:
        raise bad(name, "its input must be square images of 1 or 3 channels")
    orders = [layer.data_format for layer in _layers(found) if hasattr(layer, "data_format")]
    maps_last = len(tensor.shape) == 2 or (orders[-1] == "channels_last" if orders else channels_last)
    body = keras.Model(found.inputs, tensor, name=found.name)
    return Graph(body, channels, channels_last, maps_last), last


def _behind(tensor: Any) -> tuple[Any, Any]:
    """The operation that gave a symbolic tensor, and the first tensor that it was given."""
    operation, node, _ = tensor._keras_history
    given = operation._inbound_nodes[node].input_tensors
    return operation, given[0] if given else None


def _is_ending(tensor: Any) -> bool:
    """Whether a classification layer, or the activation behind one, gave this tensor."""
    operation, _ = _behind(tensor)
    kind = type(operation).__name__
    if kind == "Softmax":
        return True
    activation = getattr(getattr(operation, "activation", None), "__name__", "")
    return kind in ("Dense", "Activation") and len(tensor.shape) == 2 and activation in ANSWERS


def _last_map(found: Any, name: str) -> Any:
    for layer in reversed(found.layers):
        if len(layer.output.shape) == 4 and type(layer).__name__ != "InputLayer":
            return layer.output
    raise bad(name, "it has no feature map for strategy.head.pooling average")


def _sizes(found: Any) -> tuple[int | None, int, bool]:
    """Pixels a side (0 where the model takes any, None where it is no square), channels, and whether these
    come last."""
    shape = found.inputs[0].shape
    if len(shape) != 4:
        return None, 0, True
    last = shape[3] in (1, 3)
    height, width = (shape[1], shape[2]) if last else (shape[2], shape[3])
    channels = shape[3] if last else shape[1]
    return (int(height or 0) if height == width else None), int(channels or 0), last


def _spec(model_dir: Path, found: Any, units: int) -> ModelSpec:
    """What config.json says, else: pixels of 0..255 where the model rescales or normalises them itself, of
    0..1 where it does not."""
    rescales = any(type(layer).__name__ in ("Rescaling", "Normalization") for layer in _layers(found))
    fixed = _sizes(found)[0]
    default = {
        "architecture": found.name[:100],
        "library_name": "keras",
        "num_classes": units,
        "image_size": fixed or 224,
        "mean": [0.0] * 3,
        "std": [1 / 255 if rescales else 1.0] * 3,
    }
    spec = read_spec(model_dir, default)
    if spec.num_classes != units:
        text = f"config.json speaks of {spec.num_classes} classes, the Keras model of {units}."
        raise UserError("model:wrong-weights", text)
    return replace(spec, image_size=fixed or spec.image_size, pooling="own", hidden=None)


def _free(name: str, taken: set[str]) -> str:
    """A layer name that the model does not have yet."""
    number, found = 1, name
    while found in taken:
        number, found = number + 1, f"{name}_{number}"
    taken.add(found)
    return found
