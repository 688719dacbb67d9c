"""A net for maps from a model directory: build, load, a new head for other classes, save.

Three kinds of base: torchvision's segmentation nets; plain image nets of torchvision and timm, which get
one of torchvision's decoders; transformers' (see `segformers`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.errors import UserError
from training.jsonfiles import read_object
from training.learning import changed_state, follow_gradients
from training.segmentation import decoders
from training.segmentation.decoders import DECODERS, Backbone
from training.spec import MAX_MEBIBYTES, RESAMPLE, ModelSpec, read_spec
from training.text.basefiles import check_weights
from training.weights import load_weights, read_header, write_weights

WEIGHTS = "model.safetensors"
PROBLEM = "semantic_segmentation"
# torchvision's own segmentation nets, and the layers of their heads that give a map a class.
NETS = {
    "deeplabv3_mobilenet_v3_large": ("4",),
    "deeplabv3_resnet50": ("4",),
    "deeplabv3_resnet101": ("4",),
    "fcn_resnet50": ("4",),
    "fcn_resnet101": ("4",),
    "lraspp_mobilenet_v3_large": ("low_classifier", "high_classifier"),
}
LAST = {"lraspp": ("low_classifier", "high_classifier"), "deeplabv3": ("4",), "fcn": ("4",)}
# Helps the published nets to learn deep layers; nobody asks it afterwards.
AUXILIARY = "aux_classifier."
STAGE = re.compile(r"backbone\.(\w+)\.|segformer\.stages\.(\w+)\.")
HEAD_STD = 0.01


@dataclass
class Segmenter:
    """`net` is the stock library's own; `head` names the part that tells classes, `backbone` what is read of
    a plain image net. Also the loop's `Parts`.
    """

    net: nn.Module
    spec: ModelSpec
    head: str
    backbone: Backbone | None = None

    @property
    def body(self) -> list[list[str]]:
        """Parameter names of a stage each, from input to output, the head left out."""
        stages: dict[str, list[str]] = {}
        for name, _ in self.net.named_parameters():
            if not name.startswith(self.head + "."):
                found = STAGE.match(name)
                stages.setdefault(next(filter(None, found.groups())) if found else "", []).append(name)
        return list(stages.values())

    def set_learning_mode(self) -> None:
        """A new decoder has statistics to learn even where it learns alone: they move with its weights."""
        follow_gradients(self.net, True)


class Dense(nn.Module):
    """Any of the nets as images [B, 3, h, w] → logits [B, classes, h, w]."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        found = self.net(images)
        logits: Tensor = found["out"] if isinstance(found, dict) and "out" in found else found["logits"]
        if logits.shape[-2:] == images.shape[-2:]:
            return logits
        return F.interpolate(logits, images.shape[-2:], mode="bilinear", align_corners=False)


def prepare_model(
    base_dir: Path, *, labels: tuple[str, ...], image_size: int | None, decoder: str, scratch: bool, seed: int
) -> Segmenter:
    """The base with a head for `labels`; `scratch` draws every weight anew. The head stays where the base
    already tells exactly these classes, in this order. Raises `UserError` for a base that does not fit.
    """
    if is_transformers(base_dir):
        from training.segmentation import segformers

        _no_decoder(decoder, "The base model")
        model = segformers.prepare(base_dir, labels, image_size, scratch=scratch, seed=seed)
        try_out(model)
        return model
    base = read_spec(base_dir)
    spec = replace(base, labels=labels, num_classes=len(labels), crop_pct=1.0)
    spec = replace(spec, image_size=image_size or base.image_size, problem=PROBLEM)
    if not scratch:
        check_weights(base_dir)
    torch.manual_seed(seed)
    told = read_backbone(base_dir)
    if told is None and base.architecture not in NETS:
        model = _on_image_net(base_dir, base, spec, decoder, scratch, seed)
    else:
        _no_decoder(decoder, f"The base model {base.architecture}")
        model = _build(base, told)
        if not scratch:
            _load(model, base_dir / WEIGHTS)
        if scratch or base.labels != labels:
            _new_classes(model, len(labels), seed)
        model.spec = spec
    try_out(model)
    return model


def load_model(model_dir: Path) -> Segmenter:
    """A finished model, fp32, eval mode. Raises `UserError` if the directory holds no net for maps."""
    if is_transformers(model_dir):
        from training.segmentation import segformers

        model = segformers.load(model_dir)
        try_out(model)
        return model
    spec, told = read_spec(model_dir), read_backbone(model_dir)
    if told is None and spec.architecture not in NETS:
        text = f"The model is a {spec.architecture[:100]}, which tells no class a pixel."
        raise UserError("model:wrong-kind", text)
    if not spec.labels:
        raise UserError("model:no-labels", "The model's config.json names no labels.")
    check_weights(model_dir)
    model = _build(spec, told)
    _load(model, model_dir / WEIGHTS)
    try_out(model)
    return model


def save_model(model: Segmenter, model_dir: Path, *, base_dir: Path | None) -> None:
    """Write weights, config.json and preprocessor_config.json. Frozen tensors of torchvision's segmentation
    nets are the base file's own bytes.
    """
    if model.spec.library == "transformers":
        from training.segmentation import segformers

        segformers.save(model, model_dir)
        return
    model_dir.mkdir(parents=True, exist_ok=True)
    whole = model.net.state_dict()
    base = base_dir / WEIGHTS if base_dir else None
    # A plain image net's file has other names: nothing of it can be kept byte by byte.
    if base is None or not whole.keys() <= read_header(base).keys():
        write_weights(model_dir / WEIGHTS, whole)
    else:
        write_weights(model_dir / WEIGHTS, changed_state(model), base=base, kept=whole)
    _write_config(model, model_dir)


def is_transformers(model_dir: Path) -> bool:
    """Whether config.json is one of transformers'."""
    plain = read_object(model_dir / "config.json", MAX_MEBIBYTES, bad_config, whose="The base model")
    return isinstance(plain.get("model_type"), str) and "architecture" not in plain


def read_backbone(model_dir: Path) -> tuple[str, str] | None:
    """Library and architecture of the image net under a decoder, None where config.json tells of none."""
    plain = read_object(model_dir / "config.json", MAX_MEBIBYTES, bad_config, whose="The base model")
    found = plain.get("backbone")
    if found is None or plain.get("architecture") not in DECODERS:
        return None
    told = (found.get("library"), found.get("architecture")) if isinstance(found, Mapping) else (None, None)
    if not all(isinstance(item, str) for item in told):
        raise bad_config("its backbone must name a library and an architecture")
    return str(told[0]), str(told[1])


def try_out(model: Segmenter) -> None:
    """One empty picture through the net, in eval mode: what does not fit shows up here."""
    size, classes = model.spec.image_size, model.spec.num_classes
    model.net.eval()
    try:
        with torch.inference_mode():
            shape = tuple(Dense(model.net)(torch.zeros(1, 3, size, size)).shape)
    except (RuntimeError, ValueError, AssertionError, AttributeError, KeyError):
        shape = ()
    if shape != (1, classes, size, size):
        text = f"{model.spec.architecture} cannot tell {classes} classes apart on {size}-pixel pictures."
        raise UserError("model:cannot-run", text)


def _build(spec: ModelSpec, told: tuple[str, str] | None) -> Segmenter:
    classes = spec.num_classes or 1
    if told is not None:
        _, net, backbone = decoders.build(*told, spec.architecture, classes)
        return Segmenter(net, spec, "classifier", backbone)
    from torchvision.models import get_model

    # By default the library would fetch weights for the body.
    extra = {} if spec.architecture.startswith("lraspp") else {"aux_loss": False}
    net = get_model(spec.architecture, weights=None, weights_backbone=None, num_classes=classes, **extra)
    return Segmenter(net.eval(), spec, "classifier")


def _on_image_net(
    base_dir: Path, base: ModelSpec, spec: ModelSpec, decoder: str, scratch: bool, seed: int
) -> Segmenter:
    """An image net's body under a new decoder."""
    kind = DECODERS[0] if decoder == "auto" else decoder
    if kind not in DECODERS:
        text = f"network.kind must be one of auto, {', '.join(DECODERS)} here, got {kind!r}."
        raise UserError("recipe:network", text)
    full, net, backbone = decoders.build(base.library, base.architecture, kind, len(spec.labels))
    if not scratch:
        _load_body(full, net, base, base_dir / WEIGHTS)
    model = Segmenter(net, replace(spec, architecture=kind, library="torchvision"), "classifier", backbone)
    _draw_last(model, seed)
    return model


def _load_body(full: nn.Module, net: nn.Module, base: ModelSpec, path: Path) -> None:
    """Weights of an image net's file into what the decoder reads of it; its own head stays behind."""
    shared = {id(item) for item in net.state_dict(keep_vars=True).values()}
    expected = {name: item for name, item in full.state_dict(keep_vars=True).items() if id(item) in shared}
    _check(base.architecture, expected, path)
    found = load_weights(path)
    with torch.no_grad():
        for name, item in expected.items():
            item.copy_(found[name])


def _load(model: Segmenter, path: Path) -> None:
    expected = model.net.state_dict()
    _check(model.spec.architecture, expected, path)
    header = read_header(path)
    extra = next((name for name in header if name not in expected and not name.startswith(AUXILIARY)), None)
    if extra is not None:
        raise _mismatch(model.spec.architecture, f"{extra[:100]} does not belong to it")
    found = load_weights(path)
    model.net.load_state_dict({name: found[name].to(item.dtype) for name, item in expected.items()})


def _check(architecture: str, expected: Mapping[str, Tensor], path: Path) -> None:
    """Names and shapes, from the header, before any data is read."""
    header = read_header(path)
    for name, tensor in expected.items():
        if name not in header:
            raise _mismatch(architecture, f"{name} is missing")
        if header[name].shape != tuple(tensor.shape):
            found, wanted = list(header[name].shape), list(tensor.shape)
            raise _mismatch(architecture, f"{name} has the shape {found} where {wanted} is needed")


def _new_classes(model: Segmenter, classes: int, seed: int) -> None:
    """Fresh last layers for so many classes; the rest of the decoder stays as it has been learned."""
    head = model.net.get_submodule(model.head)
    for name in _last(model):
        old = head.get_submodule(name)
        assert isinstance(old, nn.Conv2d)
        setattr(head, name, nn.Conv2d(old.in_channels, classes, 1))
    _draw_last(model, seed)


def _draw_last(model: Segmenter, seed: int) -> None:
    """Small weights, so that the net starts undecided."""
    generator = torch.Generator().manual_seed(seed)
    head = model.net.get_submodule(model.head)
    for name in _last(model):
        layer = head.get_submodule(name)
        assert isinstance(layer, nn.Conv2d)
        with torch.no_grad():
            layer.weight.normal_(0.0, HEAD_STD, generator=generator)
            if layer.bias is not None:
                layer.bias.zero_()


def _last(model: Segmenter) -> tuple[str, ...]:
    return LAST[model.spec.architecture.partition("_")[0]]


def _write_config(model: Segmenter, model_dir: Path) -> None:
    spec = model.spec
    config: dict[str, Any] = {
        "architecture": spec.architecture,
        "library_name": "torchvision",
        "problem_type": PROBLEM,
        "num_classes": spec.num_classes,
        "label_names": list(spec.labels),
        "pretrained_cfg": {
            "input_size": [3, spec.image_size, spec.image_size],
            "mean": list(spec.mean),
            "std": list(spec.std),
            "interpolation": spec.interpolation,
            "crop_pct": 1.0,
            "crop_mode": "squash",
        },
    }
    if model.backbone is not None:
        config["backbone"] = model.backbone.as_dict()
    for name, content in (("config.json", config), ("preprocessor_config.json", preprocessor(spec))):
        text = json.dumps(content, indent=2, ensure_ascii=False)
        (model_dir / name).write_text(text + "\n", encoding="utf-8")


def preprocessor(spec: ModelSpec) -> dict[str, Any]:
    """How pictures are prepared, in transformers' words."""
    return {
        "do_resize": True,
        "size": {"height": spec.image_size, "width": spec.image_size},
        "resample": RESAMPLE[spec.interpolation],
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(spec.mean),
        "image_std": list(spec.std),
        "do_reduce_labels": False,
    }


def _no_decoder(decoder: str, base: str) -> None:
    if decoder != "auto":
        text = f"{base} has a decoder of its own; leave network.kind at auto, got {decoder!r}."
        raise UserError("recipe:network", text)


def _mismatch(architecture: str, reason: str) -> UserError:
    text = f"model.safetensors does not hold a {architecture}: {reason}."
    return UserError("model:wrong-weights", text)


def bad_config(reason: str) -> UserError:
    return UserError("model:bad-config", f"The model's config.json cannot be used: {reason}.")
