"""A network from a model directory: build, load, replace the head, save."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from training import vision
from training.errors import UserError
from training.learning import changed_state
from training.spec import ModelSpec, read_spec, write_spec
from training.weights import load_weights, read_header, write_weights

WEIGHTS = "model.safetensors"


@dataclass
class Network:
    """`net` maps normalised images [B, 3, size, size] to logits [B, num_classes]; `head` names its end."""

    net: nn.Module
    spec: ModelSpec
    head: str

    @property
    def num_features(self) -> int:
        return vision.head_width(self.net, self.head)

    @property
    def body(self) -> list[list[str]]:
        return vision.stages(self.net, self.head)

    def to(self, device: torch.device) -> Network:
        """Move the net, in the memory format that convolutions like best; itself again."""
        self.net.to(device).to(memory_format=torch.channels_last)
        return self


def load_network(model_dir: Path) -> Network:
    """A finished model, in fp32 and eval mode. Raises `UserError` if files and architecture do not agree."""
    network = _read(read_spec(model_dir), model_dir / WEIGHTS)
    _try_out(network)
    return network


def prepare_network(
    base_dir: Path, *, labels: list[str], image_size: int | None, scratch: bool, seed: int
) -> Network:
    """The base model with a head for `labels`; `scratch` keeps the architecture and draws every weight anew.

    The head stays when the base model already tells exactly these classes apart, in this order.
    """
    base = read_spec(base_dir)
    size = image_size or base.image_size
    crop_pct = base.crop_pct if size == base.image_size else 1.0
    spec = replace(base, num_classes=len(labels), labels=tuple(labels), image_size=size, crop_pct=crop_pct)
    torch.manual_seed(seed)
    if scratch:
        network = _build(spec)
        _try_out(network)
        return network
    network = _read(base, base_dir / WEIGHTS)
    if size != base.image_size and not vision.takes_any_size(network.net):
        learnt = f"{base.architecture} learnt positions for {base.image_size}-pixel images"
        text = f"{learnt}; leave dataset.image_size empty."
        raise UserError("model:image-size", text)
    network.spec = spec
    if base.labels != spec.labels:
        replace_head(network, len(labels), seed)
    _try_out(network)
    return network


def replace_head(network: Network, num_classes: int, seed: int) -> None:
    """A fresh linear layer [num_features → num_classes], small weights so that it starts undecided."""
    head = nn.Linear(network.num_features, num_classes)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        head.weight.normal_(0.0, 0.01, generator=generator)
        head.bias.zero_()
    _put(network, head)


@contextmanager
def without_head(network: Network) -> Iterator[nn.Module]:
    """The body [B, 3, size, size] → [B, num_features]; the head is back in its place afterwards."""
    head = network.net.get_submodule(network.head)
    _put(network, nn.Identity())
    try:
        yield network.net
    finally:
        _put(network, head)


def save_network(network: Network, model_dir: Path, *, base_dir: Path | None) -> None:
    """Write weights, config and preprocessor. Frozen tensors are the base file's own bytes, in its order.

    `base_dir` None writes every tensor from memory.
    """
    model_dir.mkdir(parents=True, exist_ok=True)
    base = base_dir / WEIGHTS if base_dir else None
    if base is None or not base.is_file():
        write_weights(model_dir / WEIGHTS, network.net.state_dict())
    else:
        write_weights(model_dir / WEIGHTS, changed_state(network), base=base)
    write_spec(model_dir, network.spec, network.num_features)


def _build(spec: ModelSpec) -> Network:
    net = vision.build_net(spec.library, spec.architecture, spec.num_classes or 1, spec.image_size)
    return Network(net, spec, vision.head_name(net))


def _read(spec: ModelSpec, path: Path) -> Network:
    """The network with the weights of a file, without drawing random ones first wherever that is possible."""
    network = _build_empty(spec)
    if network is not None:
        _load(network, path)
        if not any(item.is_meta for item in (*network.net.parameters(), *network.net.buffers())):
            return network
    # It computes some tensors itself (or the file has no head): only a real build knows them.
    network = _build(spec)
    _load(network, path)
    return network


def _build_empty(spec: ModelSpec) -> Network | None:
    """The network without memory for its tensors; None for the few that need values while they are built."""
    try:
        with torch.device("meta"):
            return _build(spec)
    except Exception:
        # Whatever is wrong with the spec itself, the real build says it in words.
        return None


def _load(network: Network, path: Path) -> None:
    """Load strictly; shapes are compared with the header before any data is read."""
    header = read_header(path)
    expected = network.net.state_dict()
    if not network.spec.num_classes:
        # A backbone published without a head: ours is replaced anyhow.
        expected = {name: item for name, item in expected.items() if not name.startswith(network.head + ".")}
    for name, tensor in expected.items():
        if name not in header:
            raise _mismatch(network, f"{name} is missing")
        if header[name].shape != tuple(tensor.shape):
            found, wanted = list(header[name].shape), list(tensor.shape)
            raise _mismatch(network, f"{name} has the shape {found} where {wanted} is needed")
    extra = next((name for name in header if name not in expected), None)
    if extra is not None:
        raise _mismatch(network, f"{extra[:100]} does not belong to it")
    # Copied, not mapped: the file may change under a mapping, and a base in half precision learns in fp32.
    tensors = {name: item.to(expected[name].dtype, copy=True) for name, item in load_weights(path).items()}
    network.net.load_state_dict(tensors, strict=bool(network.spec.num_classes), assign=True)


def _try_out(network: Network) -> None:
    """One empty image through the net, in eval mode: sizes that do not fit and paired heads show up here."""
    size, classes = network.spec.image_size, network.spec.num_classes or 1
    network.net.eval()
    try:
        with torch.inference_mode():
            shape = network.net(torch.zeros(1, 3, size, size)).shape
    except (RuntimeError, ValueError, AssertionError, AttributeError):
        shape = None
    if shape != (1, classes):
        text = f"{network.spec.architecture} cannot tell {classes} classes apart on {size}-pixel images."
        raise UserError("model:cannot-run", text)


def _mismatch(network: Network, reason: str) -> UserError:
    text = f"model.safetensors does not hold a {network.spec.architecture}: {reason}."
    return UserError("model:wrong-weights", text)


def _put(network: Network, layer: nn.Module) -> None:
    parent, _, name = network.head.rpartition(".")
    setattr(network.net.get_submodule(parent), name, layer)
