"""transformers' SegFormer as a base: loaded from local safetensors, its last layer drawn anew, saved."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import nn

from training.errors import UserError
from training.jsonfiles import read_object, write_object
from training.language.causal import quiet
from training.segmentation.models import HEAD_STD, WEIGHTS, Segmenter, bad_config, preprocessor
from training.spec import IMAGENET_MEAN, IMAGENET_STD, MAX_MEBIBYTES, ModelSpec
from training.stock import read_net, require_scratch_size
from training.text.basefiles import DROPPED, check_weights
from training.weights import read_header

KINDS = ("segformer",)
HEAD = "decode_head"
LAST = "classifier"
MAX_NUMBER = 1_000_000
MAX_BLOCKS = 1000
MAX_SCRATCH_PARAMETERS = 500_000_000
RESAMPLES = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}


def prepare(
    base_dir: Path, labels: tuple[str, ...], image_size: int | None, *, scratch: bool, seed: int
) -> Segmenter:
    """The base with a head for `labels`, kept where the base already tells exactly these.

    Raises `UserError` for other kinds and for weights that do not fit.
    """
    config, spec = _read(base_dir)
    if not scratch:
        check_weights(base_dir)
    same = spec.labels == labels
    _name(config, labels)
    torch.manual_seed(seed)
    net = _build(base_dir, config, scratch)
    spec = ModelSpec(
        spec.architecture,
        spec.library,
        len(labels),
        labels,
        image_size or spec.image_size,
        spec.mean,
        spec.std,
        spec.interpolation,
    )
    if not same and not scratch:
        last = net.get_submodule(f"{HEAD}.{LAST}")
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            last.weight.normal_(0.0, HEAD_STD, generator=generator)
            last.bias.zero_()
    return Segmenter(net.eval(), spec, HEAD)


def load(model_dir: Path) -> Segmenter:
    """A published model, in eval mode."""
    config, spec = _read(model_dir)
    check_weights(model_dir)
    if not spec.labels or len(set(spec.labels)) != len(spec.labels):
        raise UserError("model:no-labels", "The model's config.json must name its classes in id2label.")
    return Segmenter(_build(model_dir, config, scratch=False, whole=True).eval(), spec, HEAD)


def save(model: Segmenter, model_dir: Path) -> None:
    """model.safetensors and config.json by the library itself, and how pictures are prepared."""
    model_dir.mkdir(parents=True, exist_ok=True)
    net: Any = model.net
    with quiet():
        net.save_pretrained(str(model_dir), max_shard_size="100GB")
    plain = {"image_processor_type": "SegformerImageProcessor", **preprocessor(model.spec)}
    write_object(model_dir / "preprocessor_config.json", plain)


def _read(model_dir: Path) -> tuple[Any, ModelSpec]:
    plain = read_object(model_dir / "config.json", MAX_MEBIBYTES, bad_config, whose="The base model")
    kind = plain.get("model_type")
    if kind not in KINDS:
        text = f"The base model is a {str(kind)[:60]!r}; of transformers this task takes {', '.join(KINDS)}."
        raise UserError("model:wrong-kind", text)
    from transformers import CONFIG_MAPPING

    try:
        config: Any = CONFIG_MAPPING[kind].from_dict(
            {name: value for name, value in plain.items() if name not in DROPPED}
        )
        numbers = [
            *config.depths,
            *config.hidden_sizes,
            *config.num_attention_heads,
            config.decoder_hidden_size,
        ]
        if not all(1 <= int(number) <= MAX_NUMBER for number in numbers) or sum(config.depths) > MAX_BLOCKS:
            raise ValueError("its sizes are out of bounds")
        if not 1 <= config.num_labels <= 100_000 or config.num_channels != 3:
            raise ValueError("it must take three channels and tell a few classes")
        labels = tuple(str(config.id2label[index]) for index in range(config.num_labels))
    except Exception as error:
        # The library raises types of its own for wrong fields.
        raise bad_config(f"a field has the wrong type or value ({str(error)[:150]})") from None
    return config, _spec(model_dir, kind, labels)


def _spec(model_dir: Path, kind: str, labels: tuple[str, ...]) -> ModelSpec:
    """Size, mean and deviation from preprocessor_config.json, where there is one."""
    plain: dict[str, Any] = {}
    if (model_dir / "preprocessor_config.json").is_file():
        plain = read_object(model_dir / "preprocessor_config.json", MAX_MEBIBYTES, _bad_preprocessor)
    try:
        size = plain.get("size") or 512
        side = int(size if not isinstance(size, dict) else size.get("height") or size["shortest_edge"])
        mean, std = (
            tuple(float(value) for value in plain.get(name) or default)
            for name, default in (("image_mean", IMAGENET_MEAN), ("image_std", IMAGENET_STD))
        )
    except (TypeError, ValueError, KeyError):
        raise _bad_preprocessor("a field has the wrong type or value") from None
    sound = len(mean) == len(std) == 3 and all(value > 0 for value in std)
    if not sound or not 8 <= side <= 2048:
        raise _bad_preprocessor("it must name three means, three deviations and a size from 8 to 2048")
    interpolation = RESAMPLES.get(plain.get("resample", 2), "bilinear")
    return ModelSpec(kind, "transformers", len(labels), labels, side, mean, std, interpolation)


def _build(model_dir: Path, config: Any, scratch: bool, whole: bool = False) -> nn.Module:
    """The net; `whole`: the file must hold every tensor, else it may lack the head."""
    from transformers import AutoModelForSemanticSegmentation as Kind

    try:
        with quiet():
            _check_size(Kind, model_dir, config, scratch)
            if scratch:
                return Kind.from_config(config).float()
            net, missing = read_net(Kind, model_dir, config)
    except UserError:
        raise
    except Exception as error:
        # Fields that contradict each other surface as whatever the layers raise.
        raise _mismatch(config, str(error)[:200]) from None
    needed = sorted(name for name in missing if whole or not name.startswith(f"{HEAD}."))
    if needed:
        raise _mismatch(config, f"{needed[0][:100]} is missing or has another shape")
    return net


def _check_size(kind: Any, model_dir: Path, config: Any, scratch: bool) -> None:
    """Sizes that the file does not bear out are refused before memory is taken for them."""
    with torch.device("meta"):
        net = kind.from_config(config)
    wanted = sum(item.numel() for item in net.parameters())
    if scratch:
        require_scratch_size(wanted, MAX_SCRATCH_PARAMETERS)
        return
    found = sum(math.prod(entry.shape) for entry in read_header(model_dir / WEIGHTS).values())
    head = sum(item.numel() for item in net.get_submodule(HEAD).parameters())
    # An encoder published without its decoder is welcome.
    if wanted - head > found:
        text = f"config.json describes {wanted:,} parameters, the file holds {found:,}"
        raise _mismatch(config, text)


def _name(config: Any, labels: tuple[str, ...]) -> None:
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: index for index, label in enumerate(labels)}


def _mismatch(config: Any, reason: str) -> UserError:
    text = f"model.safetensors does not hold the {config.model_type} of config.json: {reason}."
    return UserError("model:wrong-weights", text)


def _bad_preprocessor(reason: str) -> UserError:
    return UserError("model:bad-config", f"The model's preprocessor_config.json cannot be used: {reason}.")
