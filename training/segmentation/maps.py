"""A frozen body's maps, computed once for the whole run, and the decoder that learns on them."""

from __future__ import annotations

import hashlib
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.batches import normalized
from training.featurecache import FeatureKey, cached_features
from training.features import frozen_features, micro_batch_size
from training.segmentation.batches import MaskBatches
from training.segmentation.models import Segmenter
from training.tasks.base import Plan

# Beyond this the maps of all pictures would not stay in memory: the body then runs in every step.
MAX_BYTES = 1024 * 1024 * 1024


class FlatMaps(nn.Module):
    """The backbone of one of torchvision's nets: images [B, 3, size, size] → its maps in a row [B, d]."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([maps.flatten(1) for maps in self.backbone(images).values()], dim=1)


class HeadOnMaps(nn.Module):
    """The decoder on flat maps [B, d] → logits [B, classes, size, size]."""

    def __init__(self, head: nn.Module, shapes: dict[str, tuple[int, ...]], size: int) -> None:
        super().__init__()
        self.head, self.shapes, self.size = head, shapes, size

    def forward(self, flat: Tensor) -> Tensor:
        parts = flat.split([prod(shape) for shape in self.shapes.values()], dim=1)
        maps = {
            name: part.reshape(len(flat), *shape)
            for (name, shape), part in zip(self.shapes.items(), parts, strict=True)
        }
        logits = self.head(maps.get("out", maps))
        return F.interpolate(logits, (self.size, self.size), mode="bilinear", align_corners=False)


def map_shapes(model: Segmenter, images: int) -> dict[str, tuple[int, ...]] | None:
    """Shapes of the maps [c, h, w] that the decoder reads; None where those of so many images are too many,
    or where the net has no backbone of its own.
    """
    backbone = getattr(model.net, "backbone", None)
    if backbone is None:
        return None
    size = model.spec.image_size
    with torch.inference_mode():
        found = backbone.eval()(torch.zeros(1, 3, size, size))
    shapes = {name: tuple(maps.shape[1:]) for name, maps in found.items()}
    return shapes if 4 * images * sum(map(prod, shapes.values())) <= MAX_BYTES else None


def to_maps(
    plan: Plan, model: Segmenter, train: MaskBatches, val: MaskBatches | None
) -> tuple[MaskBatches, MaskBatches | None]:
    """Pictures replaced by what the frozen body says of them; the net lies on the plan's device already."""
    spec, device = model.spec, plan.device
    parts = [train.inputs, val.inputs] if val is not None else [train.inputs]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.numpy().data)
    n = sum(map(len, parts))
    micro = micro_batch_size(spec.image_size, spec.image_size, n, device)
    backbone = model.net.get_submodule("backbone").eval()
    body = FlatMaps(backbone)

    def compute() -> Tensor:
        return frozen_features(
            body,
            (batch for part in parts for batch in normalized(part, spec, device, micro)),
            n=n,
            device=device,
            progress=lambda done, total: None,
            check=plan.reporter.check,
        )

    how = {"mean": spec.mean, "std": spec.std}
    images = digest.hexdigest()
    key = FeatureKey.of(body, preprocessing=how, images=images, device=device, layer="maps")
    table = cached_features(key, plan.cache_dir, compute)
    cut = len(train)
    rest = MaskBatches(table[cut:], val.masks, val.ignore, None) if val is not None else None
    return MaskBatches(table[:cut], train.masks, train.ignore, None), rest
