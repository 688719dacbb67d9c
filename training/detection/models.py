"""Detectors from a directory: opened, given a new class layer, stages, saved, loaded again."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from training import learning
from training.detection import yolos
from training.detection.filling import load_into, load_trunk
from training.detection.nets import Detector, Finder, build_stock, own_size
from training.detection.spec import (
    MAX_CLASSES,
    DetectorSpec,
    FcosSpec,
    is_detector,
    read_config,
    read_detector,
    write_detector,
)
from training.detection.trunks import Tap, build_trunk, taps_of
from training.errors import UserError
from training.recipe import NetworkSpec
from training.spec import read_spec
from training.weights import write_weights

WEIGHTS = "model.safetensors"
WIDTH, DEPTH, MAX_WIDTH, MAX_DEPTH = 96, 2, 512, 8
# Below this, statistics over a batch say more about its pictures than about pictures.
SMALL_BATCH = 8
# Parts of a body that are a stage each: of torchvision's own detectors, of a trunk's children.
STAGE = re.compile(r"(features\.\d+\.\d+|(body\.)?(layer)?\d+|extra\.\d+|fpn|encoder\.layer\.\d+)\.")


@dataclass
class DetectorParts(learning.Network):
    """`steady`: norms of the body keep their statistics, whatever learns."""

    spec: DetectorSpec | None = None
    steady: bool = False

    @property
    def detector(self) -> Finder:
        assert isinstance(self.net, Finder)
        return self.net

    def set_learning_mode(self) -> None:
        learning.set_learning_mode(learning.Network(self.net, self.head, self.body))
        if self.steady:
            for module in self.detector.body.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()


def prepare_detector(
    base_dir: Path,
    *,
    labels: list[str],
    image_size: int | None,
    scratch: bool,
    seed: int,
    network: NetworkSpec | None,
    batch_size: int,
) -> DetectorParts:
    """The base as a detector of `labels`: a detector gets a new class layer, a classifier an FCOS on top.

    The class layer stays where the base already tells exactly these labels. Raises `UserError` for bases that
    are neither, and for files that do not agree.
    """
    if len(labels) > MAX_CLASSES:
        raise UserError("data:too-many-classes", f"The data set has more than {MAX_CLASSES:,} classes.")
    torch.manual_seed(seed)
    config = read_config(base_dir)
    if "architectures" in config and "architecture" not in config and not yolos.is_yolos(config):
        text = (
            "The base model is one of transformers'; of these object-detection takes yolos, beside "
            "torchvision's detectors and image networks of torchvision and timm."
        )
        raise UserError("model:wrong-kind", text)
    if network is not None and (is_detector(config) or yolos.is_yolos(config)):
        text = "network describes what stands on a classifier; leave it out: the base model is a detector."
        raise UserError("recipe:network", text)
    net: Finder
    if yolos.is_yolos(config):
        net, spec = yolos.prepare(base_dir, tuple(labels), image_size, scratch=scratch, seed=seed)
        return DetectorParts(_tried(net, spec), "head", stages(net), spec)
    if is_detector(config):
        if network is not None:
            text = (
                "network describes what stands on a classifier; leave it out: the base model is a detector."
            )
            raise UserError("recipe:network", text)
        spec, stock = _from_detector(base_dir, labels, image_size, scratch)
    else:
        spec, stock = _from_classifier(base_dir, labels, image_size, scratch, network or NetworkSpec())
    net = _tried(Detector(stock, spec), spec)
    return DetectorParts(net, "head", stages(net), spec, steady=not scratch and batch_size < SMALL_BATCH)


def load_detector(model_dir: Path) -> tuple[Finder, DetectorSpec]:
    """A finished detector, fp32, in eval mode. Raises `UserError` if the directory holds no whole one."""
    if yolos.is_yolos(read_config(model_dir)):
        found, spec = yolos.load(model_dir)
        return _tried(found, spec), spec
    spec = read_detector(model_dir)
    if not spec.labels or not spec.image_size:
        text = "The model's config.json names no labels or no image_size, so it is only fit to learn from."
        raise UserError("model:no-labels", text)
    stock = _built(spec)
    load_into(stock, spec, model_dir / WEIGHTS, dict(stock.state_dict()))
    return _tried(Detector(stock, spec), spec), spec


def save_detector(parts: DetectorParts, model_dir: Path) -> None:
    """Write weights under torchvision's own names, config and preprocessor."""
    if isinstance(parts.net, yolos.Yolos):
        yolos.save(parts.net, model_dir)
        return
    assert parts.spec is not None
    assert isinstance(parts.net, Detector)
    model_dir.mkdir(parents=True, exist_ok=True)
    tensors = {parts.net.stock_name(name): item for name, item in parts.net.state_dict().items()}
    write_weights(model_dir / WEIGHTS, tensors)
    write_detector(model_dir, parts.spec)


def stages(net: Finder) -> list[list[str]]:
    """Learning names of the body from input to output, a list a stage; what precedes the first is one too."""
    groups: list[list[str]] = []
    current = None
    for name, _ in net.body.named_parameters():
        found = STAGE.match(name)
        key = found.group(1) if found else current
        if not groups or (found and key != current):
            groups.append([])
        groups[-1].append(f"body.{name}")
        current = key
    return groups


def _from_detector(
    base_dir: Path, labels: list[str], image_size: int | None, scratch: bool
) -> tuple[DetectorSpec, nn.Module]:
    base = read_detector(base_dir)
    size = image_size or base.image_size or own_size(base)
    spec = replace(base, labels=tuple(labels), num_classes=len(labels) + 1, image_size=size)
    stock = _built(spec)
    if not scratch:
        whole = dict(stock.state_dict())
        new = set() if base.labels == spec.labels else _class_layers(spec)
        old = base.num_classes == spec.num_classes
        # Their shapes differ with the classes; the file's are of the base's own number of them.
        load_into(stock, base, base_dir / WEIGHTS, whole, new=new, same_shapes=old)
    return spec, stock


def _from_classifier(
    base_dir: Path, labels: list[str], image_size: int | None, scratch: bool, network: NetworkSpec
) -> tuple[DetectorSpec, nn.Module]:
    base = read_spec(base_dir)
    if base.library not in ("torchvision", "timm"):
        text = f"A detector cannot be made of a {base.library} model; use one of torchvision or timm."
        raise UserError("model:wrong-kind", text)
    with torch.device("meta"):
        trunk, _ = build_trunk(base.library, base.architecture)
        taps = taps_of(trunk, base.architecture)
    spec = DetectorSpec(
        base.architecture,
        base.library,
        tuple(labels),
        len(labels) + 1,
        image_size or base.image_size,
        base.mean,
        base.std,
        _fcos_spec(network, taps),
    )
    stock = _built(spec)
    if not scratch:
        load_trunk(stock, base, base_dir / WEIGHTS)
    return spec, stock


def _fcos_spec(network: NetworkSpec, taps: tuple[Tap, ...]) -> FcosSpec:
    if network.kind not in ("auto", "fcos"):
        text = f"network.kind must be auto or fcos for object-detection, got {network.kind!r}."
        raise UserError("recipe:network", text)
    width, depth = network.width or WIDTH, network.depth or DEPTH
    # Norms over groups of one channel would have one number each on the coarsest maps.
    if width % 32 or not 64 <= width <= MAX_WIDTH:
        text = f"network.width must be a multiple of 32 from 64 to {MAX_WIDTH}, got {width}."
        raise UserError("recipe:network", text)
    if depth > MAX_DEPTH or network.heads is not None:
        text = f"network.depth must be {MAX_DEPTH} at most, and there are no network.heads in an fcos."
        raise UserError("recipe:network", text)
    return FcosSpec(width, depth, taps)


def _built(spec: DetectorSpec) -> nn.Module:
    try:
        net: nn.Module = build_stock(spec)
    except (ValueError, RuntimeError, TypeError, AttributeError, KeyError) as error:
        text = f"The detector of config.json cannot be built: {str(error)[:120]}."
        raise UserError("model:bad-config", text) from None
    return net


def _tried(net: Finder, spec: DetectorSpec) -> Finder:
    """The detector in eval mode, after one empty picture: sizes that do not fit show up here."""
    try:
        with torch.inference_mode():
            net.eval().detect([torch.zeros(3, spec.image_size, spec.image_size)])
    except (RuntimeError, ValueError, AssertionError, IndexError):
        text = f"{spec.architecture} cannot find objects on {spec.image_size}-pixel images; try larger ones."
        raise UserError("model:cannot-run", text) from None
    return net


def _class_layers(spec: DetectorSpec) -> set[str]:
    """Names of the tensors whose shape depends on how many classes there are."""
    with torch.device("meta"):
        one, two = (
            build_stock(replace(spec, num_classes=spec.num_classes + more)).state_dict() for more in (0, 1)
        )
    return {name for name in one if one[name].shape != two[name].shape}
