"""Weights of a detector or a classifier into a net: compared with the file's header before they are read."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from training import vision
from training.detection.spec import DetectorSpec
from training.detection.trunks import trunk_of
from training.errors import UserError
from training.spec import ModelSpec
from training.weights import load_weights, read_header

COUNTER = "num_batches_tracked"


def load_into(
    stock: nn.Module,
    spec: DetectorSpec,
    path: Path,
    whole: dict[str, Tensor],
    *,
    new: set[str] | None = None,
    same_shapes: bool = True,
) -> None:
    """Fill `whole` from the file, but for `new`; names and shapes are compared before any data is read."""
    new, header = new or set(), read_header(path)
    for name, tensor in whole.items():
        if name not in header:
            # Frozen norms of torchvision's own weights do not count.
            if name.endswith(COUNTER):
                continue
            raise _mismatch(spec.architecture, f"{name} is missing")
        if header[name].shape != tuple(tensor.shape) and (name not in new or same_shapes):
            shown = list(header[name].shape), list(tensor.shape)
            raise _mismatch(spec.architecture, f"{name} has the shape {shown[0]} where {shown[1]} is needed")
    extra = next((name for name in header if name not in whole), None)
    if extra is not None:
        raise _mismatch(spec.architecture, f"{extra[:100]} does not belong to it")
    tensors = load_weights(path)
    kept = {name: tensors[name] for name in whole if name in tensors and name not in new}
    _finite(kept, spec.architecture)
    stock.load_state_dict(kept, strict=False)


def load_trunk(stock: nn.Module, base: ModelSpec, path: Path) -> None:
    """The weights of a classifier, but for its head, into the body of the detector."""
    net = vision.build_net(base.library, base.architecture, base.num_classes or 1, base.image_size)
    header, expected = read_header(path), net.state_dict()
    body = trunk_of(net, base.architecture)
    needed = {id(item) for item in (*body.parameters(), *body.buffers())}
    for name, item in (*net.named_parameters(), *net.named_buffers()):
        wrong = name not in header or header[name].shape != tuple(item.shape)
        if id(item) in needed and wrong and not name.endswith(COUNTER):
            raise _mismatch(base.architecture, f"{name} is missing or has another shape")
    tensors = {name: item for name, item in load_weights(path).items() if name in expected}
    tensors = {name: item for name, item in tensors.items() if item.shape == expected[name].shape}
    _finite(tensors, base.architecture)
    net.load_state_dict(tensors, strict=False)
    target = stock.get_submodule("backbone.body")
    own = dict(trunk_of(net, base.architecture).state_dict())
    target.load_state_dict({name: own[name] for name in target.state_dict()})


def _finite(tensors: dict[str, Tensor], architecture: str) -> None:
    for name, item in tensors.items():
        if item.is_floating_point() and not bool(item.isfinite().all()):
            raise _mismatch(architecture, f"{name[:100]} holds NaN or infinity")


def _mismatch(architecture: str, reason: str) -> UserError:
    text = f"model.safetensors does not hold a {architecture[:100]}: {reason}."
    return UserError("model:wrong-weights", text)
