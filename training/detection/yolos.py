"""transformers' YOLOS (Fang et al. 2021) as a base: a vision transformer with tokens that find objects."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training.detection.nets import Finder
from training.detection.spec import LARGEST, MAX_CLASSES, MAX_MEBIBYTES, SMALLEST, DetectorSpec, bad_config
from training.errors import UserError
from training.jsonfiles import read_object, write_object
from training.spec import IMAGENET_MEAN, IMAGENET_STD
from training.stock import read_net, require_scratch_size
from training.weights import read_header

KIND = "yolos"
CLASSES, BOXES = "class_labels_classifier", "bbox_predictor"
LAST = f"{CLASSES}.layers.2"
TOKENS = "tokens"
HEAD_STD = 0.01
MAX_NUMBER, MAX_LAYERS = 100_000, 200
MAX_SCRATCH_PARAMETERS = 500_000_000


class Yolos(Finder):
    """`body` gives a vector for each object token, `head` a class and a box of each. Background is last."""

    def __init__(self, stock: Any, spec: DetectorSpec) -> None:
        super().__init__()
        # In a list: its modules are registered by their parts.
        self.size, self.spec, self.stock = spec.image_size, spec, [stock]
        self.body: nn.Module = stock.vit
        self.head = nn.ModuleDict({CLASSES: getattr(stock, CLASSES), BOXES: getattr(stock, BOXES)})

    def features(self, images: Tensor) -> dict[str, Tensor]:
        mean = torch.tensor(self.spec.mean, device=images.device).reshape(1, 3, 1, 1)
        std = torch.tensor(self.spec.std, device=images.device).reshape(1, 3, 1, 1)
        found = self.body((images - mean) / std).last_hidden_state
        return {TOKENS: found[:, -self.stock[0].config.num_detection_tokens :]}

    def forward(self, inputs: dict[str, Any], learning: bool = False) -> Any:
        maps = inputs["maps"] if "maps" in inputs else self.features(inputs["images"])
        logits, boxes = self._read(maps)
        loss = self._loss(logits, boxes, inputs["truth"])
        return loss if learning else (loss.reshape(1), _answers(logits, boxes))

    def detect(self, images: list[Tensor], maps: dict[str, Tensor] | None = None) -> list[dict[str, Tensor]]:
        return _answers(*self._read(maps if maps is not None else self.features(torch.stack(images))))

    def _read(self, maps: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        return self.head[CLASSES](maps[TOKENS]), self.head[BOXES](maps[TOKENS]).sigmoid()

    def _loss(self, logits: Tensor, boxes: Tensor, truth: list[dict[str, Tensor]]) -> Tensor:
        """DETR's: objects matched to tokens, cross-entropy, L1 and GIoU, weighed as the config says."""
        stock = self.stock[0]
        wanted = [{"class_labels": one["labels"], "boxes": _middles(one["boxes"])} for one in truth]
        # The matcher and the overlaps want all their digits.
        with torch.autocast(logits.device.type, enabled=False):
            args = (logits.float(), wanted, logits.device, boxes.float(), stock.config, None, None)
            loss: Tensor = stock.loss_function(*args)[0]
        return loss


def is_yolos(config: dict[str, Any]) -> bool:
    return config.get("model_type") == KIND


def prepare(
    base_dir: Path, labels: tuple[str, ...], image_size: int | None, *, scratch: bool, seed: int
) -> tuple[Yolos, DetectorSpec]:
    """The base with a new last layer for the classes, unless it tells exactly these already."""
    config, spec = _read(base_dir)
    same = spec.labels == labels
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: index for index, label in enumerate(labels)}
    torch.manual_seed(seed)
    stock = _build(base_dir, config, scratch)
    if not same and not scratch:
        last, generator = stock.get_submodule(LAST), torch.Generator().manual_seed(seed)
        with torch.no_grad():
            last.weight.normal_(0.0, HEAD_STD, generator=generator)
            last.bias.zero_()
    size = image_size or spec.image_size
    spec = DetectorSpec(KIND, spec.library, labels, len(labels) + 1, size, spec.mean, spec.std)
    return Yolos(stock, spec), spec


def load(model_dir: Path) -> tuple[Yolos, DetectorSpec]:
    """A finished model, in eval mode."""
    config, spec = _read(model_dir)
    return Yolos(_build(model_dir, config, scratch=False, whole=True), spec), spec


def save(net: Yolos, model_dir: Path) -> None:
    """model.safetensors and config.json by the library itself, and how pictures are prepared."""
    from training.language.causal import quiet

    model_dir.mkdir(parents=True, exist_ok=True)
    stock, side = net.stock[0], {"height": net.size, "width": net.size}
    stock.config.library_name = "transformers"
    with quiet():
        stock.save_pretrained(str(model_dir), max_shard_size="100GB")
    plain = {"image_processor_type": "YolosImageProcessor", "do_resize": True, "size": side, "resample": 2}
    plain |= {"do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "do_pad": False}
    plain |= {"image_mean": list(net.spec.mean), "image_std": list(net.spec.std)}
    write_object(model_dir / "preprocessor_config.json", plain)


def _read(model_dir: Path) -> tuple[Any, DetectorSpec]:
    import transformers

    from training.text.basefiles import DROPPED

    plain = read_object(model_dir / "config.json", MAX_MEBIBYTES, bad_config, whose="The base model")
    try:
        kept = {name: value for name, value in plain.items() if name not in DROPPED}
        config: Any = transformers.YolosConfig.from_dict(kept)
        sizes = (config.hidden_size, config.intermediate_size, config.num_detection_tokens, config.patch_size)
        if not all(1 <= int(size) <= MAX_NUMBER for size in (*sizes, *config.image_size)):
            raise ValueError("its sizes are out of bounds")
        if not 1 <= config.num_hidden_layers <= MAX_LAYERS or config.num_channels != 3:
            raise ValueError("it must have a few layers and take three channels")
        if not 1 <= config.num_labels <= MAX_CLASSES:
            raise ValueError(f"it must tell 1 to {MAX_CLASSES:,} classes")
        labels = tuple(str(config.id2label[index]) for index in range(config.num_labels))
        config.auxiliary_loss = False
    except Exception as error:
        # The library raises types of its own for wrong fields.
        raise bad_config(f"a field has the wrong type or value ({str(error)[:150]})") from None
    return config, _spec(model_dir, labels, min(config.image_size))


def _spec(model_dir: Path, labels: tuple[str, ...], side: int) -> DetectorSpec:
    """Side, mean and deviation of preprocessor_config.json, where it tells them."""
    path, plain = model_dir / "preprocessor_config.json", dict[str, Any]()
    if path.is_file():
        plain = read_object(path, MAX_MEBIBYTES, _bad_preprocessor)
    try:
        size = plain.get("size")
        if isinstance(size, dict) and size.get("height") == size.get("width") is not None:
            side = int(size["height"])
        mean, std = (
            tuple(float(value) for value in plain.get(name) or default)
            for name, default in (("image_mean", IMAGENET_MEAN), ("image_std", IMAGENET_STD))
        )
    except (TypeError, ValueError):
        raise _bad_preprocessor("a field has the wrong type or value") from None
    if not (len(mean) == len(std) == 3 and all(value > 0 for value in std)):
        raise _bad_preprocessor("it must name three means and three deviations above 0")
    side = min(max(side, SMALLEST), LARGEST)
    return DetectorSpec(KIND, "transformers", labels, len(labels) + 1, side, mean, std)


def _build(model_dir: Path, config: Any, scratch: bool, whole: bool = False) -> Any:
    """The stock net; `whole`: the file must hold every tensor, else it may lack the head."""
    import transformers

    from training.language.causal import quiet
    from training.text.basefiles import check_weights

    kind: Any = transformers.YolosForObjectDetection
    if not scratch:
        check_weights(model_dir)
    try:
        with quiet():
            _check_size(kind, model_dir, config, scratch)
            if scratch:
                return kind(config).float()
            net, missing = read_net(kind, model_dir, config)
    except UserError:
        raise
    except Exception as error:
        # Fields that contradict each other surface as whatever the layers raise.
        raise _mismatch(str(error)[:200]) from None
    needed = sorted(name for name in missing if whole or name.startswith("vit."))
    if needed:
        raise _mismatch(f"{needed[0][:100]} is missing or has another shape")
    for name, item in net.named_parameters():
        if name not in missing and not bool(item.isfinite().all()):
            raise _mismatch(f"{name[:100]} holds NaN or infinity")
    return net


def _check_size(kind: Any, model_dir: Path, config: Any, scratch: bool) -> None:
    """Sizes that the file does not bear out are refused before memory is taken for them."""
    with torch.device("meta"):
        net = kind(config)
    wanted = sum(item.numel() for item in net.vit.parameters())
    if scratch:
        require_scratch_size(wanted, MAX_SCRATCH_PARAMETERS)
        return
    found = sum(math.prod(entry.shape) for entry in read_header(model_dir / "model.safetensors").values())
    if wanted > found:
        raise _mismatch(f"config.json describes {wanted:,} parameters, the file holds {found:,}")


def _middles(boxes: Tensor) -> Tensor:
    """Left, top, right, bottom to middle across, middle down, width, height."""
    return torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], 1)


def _answers(logits: Tensor, boxes: Tensor) -> list[dict[str, Tensor]]:
    """What each token tells: its likeliest class, however unlikely, as `post_process_object_detection`."""
    scores, labels = logits.float().softmax(-1)[..., :-1].max(-1)
    middle, side = boxes.float().split(2, -1)
    ends = torch.cat([middle - side / 2, middle + side / 2], -1).clamp(0, 1)
    rows = zip(ends, labels, scores, strict=True)
    return [{"boxes": box, "labels": label, "scores": score} for box, label, score in rows]


def _mismatch(reason: str) -> UserError:
    return UserError(
        "model:wrong-weights", f"model.safetensors does not hold the yolos of config.json: {reason}."
    )


def _bad_preprocessor(reason: str) -> UserError:
    return UserError("model:bad-config", f"The model's preprocessor_config.json cannot be used: {reason}.")
