"""A network from a model directory: build, load, replace the head, save."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from training import heads, vision
from training.errors import UserError
from training.kerasfiles import is_keras
from training.learning import changed_state
from training.recipe import HeadSpec
from training.spec import CLASSES, NUMBER, TAGS, ModelSpec, Scale, read_spec, write_spec
from training.weights import load_weights, read_header, write_weights

WEIGHTS = "model.safetensors"
ANSWERS = {CLASSES: "one class", NUMBER: "a number", TAGS: "any number of labels"}


@dataclass
class Network:
    """`net` maps normalised images [B, 3, size, size] to logits [B, num_classes]; `head` names its end.

    `scale`: what the outputs of a net that is learning are standardised by; saving folds it into the head.
    """

    net: nn.Module
    spec: ModelSpec
    head: str
    scale: Scale | None = None

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


def load_network(model_dir: Path, problem: str = CLASSES) -> Network:
    """A finished model, in fp32 and eval mode, that answers `problem`: a class, a number or any labels.

    Raises `UserError` if it answers another one, or if files and architecture do not agree.
    """
    if is_keras(model_dir):
        from training import kerasmodels

        keras_network = kerasmodels.load_network(model_dir)
        _try_out(keras_network)
        return keras_network
    spec = read_spec(model_dir)
    if spec.problem != problem:
        text = f"The model gives {ANSWERS[spec.problem]} for an image, not {ANSWERS[problem]}."
        raise UserError("model:wrong-kind", text)
    network = _read(spec, model_dir / WEIGHTS)
    _try_out(network)
    return network


def prepare_network(
    base_dir: Path,
    *,
    labels: list[str],
    image_size: int | None,
    scratch: bool,
    seed: int,
    problem: str = CLASSES,
    head: HeadSpec | None = None,
    scale: Scale | None = None,
    quantiles: tuple[float, ...] = (),
) -> Network:
    """The base model with a head for `labels`; `scratch` keeps the architecture and draws every weight anew.

    The head stays when the base model already tells exactly these labels, in this order, and is built as
    `head` says. `scale` standardises a regression's number: the net learns it in that form, or `quantiles`
    of it, a label each.
    """
    if is_keras(base_dir):
        return _prepare_keras(base_dir, labels, image_size, scratch, seed, problem, head or HeadSpec())
    base, head = read_spec(base_dir), head or HeadSpec()
    size = image_size or base.image_size
    crop_pct = base.crop_pct if size == base.image_size else 1.0
    spec = replace(base, num_classes=len(labels), labels=tuple(labels), image_size=size, crop_pct=crop_pct)
    # A base that lacks its dense layers can only be read past them.
    pooling = base.pooling if base.pooling != "own" else head.pooling
    spec = replace(spec, problem=problem, hidden=head.hidden, pooling=pooling, target=scale)
    spec = replace(spec, quantiles=quantiles)
    torch.manual_seed(seed)
    if scratch:
        network = _build(spec)
        network.scale = scale
        _try_out(network)
        return network
    network = _read(base, base_dir / WEIGHTS)
    if size != base.image_size and not vision.takes_any_size(network.net):
        learnt = f"{base.architecture} learnt positions for {base.image_size}-pixel images"
        text = f"{learnt}; leave dataset.image_size empty."
        raise UserError("model:image-size", text)
    network.spec, network.scale = spec, scale
    same = ("labels", "problem", "hidden", "pooling", "quantiles")
    if any(getattr(base, name) != getattr(spec, name) for name in same):
        replace_head(network, len(labels), seed)
    elif scale is not None:
        heads.unfold(network.net.get_submodule(network.head), scale)
    _try_out(network)
    return network


def _prepare_keras(
    base_dir: Path,
    labels: list[str],
    image_size: int | None,
    scratch: bool,
    seed: int,
    problem: str,
    head: HeadSpec,
) -> Network:
    from training import kerasmodels

    network = kerasmodels.prepare_network(
        base_dir,
        labels=labels,
        image_size=image_size,
        scratch=scratch,
        seed=seed,
        problem=problem,
        head=head,
    )
    _try_out(network)
    return network


def replace_head(network: Network, num_classes: int, seed: int) -> None:
    """A fresh head [num_features → num_classes], its last weights small so that it starts undecided."""
    if network.spec.pooling == "average":
        network.head, width = heads.average_maps(network.net, network.spec.architecture)
    else:
        width = network.num_features
    _put(network, heads.draw(width, num_classes, network.spec.hidden, seed))


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
    if network.spec.library == "keras":
        from training import kerasmodels

        kerasmodels.save_network(network, model_dir)
        return
    model_dir.mkdir(parents=True, exist_ok=True)
    base = base_dir / WEIGHTS if base_dir else None
    if base is not None and not base.is_file():
        base = None
    whole = network.net.state_dict()
    tensors = whole if base is None else changed_state(network)
    if network.scale is not None:
        tensors = {**tensors, **heads.folded(network.net, network.head, network.scale)}
    # What the base has beyond this network (its old head, dense layers that are passed by) stays behind.
    write_weights(model_dir / WEIGHTS, tensors, base=base, kept=whole)
    write_spec(model_dir, network.spec, network.num_features, network.head)


def _build(spec: ModelSpec) -> Network:
    net = vision.build_net(spec.library, spec.architecture, spec.num_classes or 1, spec.image_size)
    network = Network(net, spec, vision.head_name(net))
    if spec.pooling == "average":
        network.head, width = heads.average_maps(net, spec.architecture)
    else:
        width = network.num_features
    if spec.pooling == "average" or spec.hidden is not None:
        _put(network, heads.new_head(width, spec.num_classes or 1, spec.hidden))
    return network


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
