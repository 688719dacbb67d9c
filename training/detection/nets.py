"""torchvision's detectors, cut in two: a body that gives maps, and all that reads them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from training.detection.spec import DetectorSpec, FcosSpec
from training.detection.trunks import build_trunk

# What an own FCOS tells: low, for average precision reads the whole curve.
SCORE_THRESHOLD = 0.02
LEVEL_SCALE = 2


def build_stock(spec: DetectorSpec) -> Any:
    """The detector as torchvision has it, with random weights from torch's current seed.

    `spec.image_size` 0 keeps the constructor's own way with sizes.
    """
    if spec.fcos is None:
        net = _by_name(spec)
    else:
        net = _fcos_on(build_trunk(spec.library, spec.architecture)[0], spec, spec.fcos)
    if spec.image_size:
        net.transform.fixed_size = (spec.image_size, spec.image_size)
    return net


def own_size(spec: DetectorSpec) -> int:
    """The side of the square that a constructor's own transform is nearest to, 800 at most."""
    transform = _by_name(spec).transform
    return int(transform.fixed_size[0]) if transform.fixed_size else min(int(transform.min_size[-1]), 800)


def strides_of(fcos: FcosSpec) -> list[int]:
    """Pixels a cell of each level: those of the maps that are read, and one coarser."""
    finer = [tap.stride for tap in fcos.taps]
    return [*finer, LEVEL_SCALE * finer[-1]]


def _by_name(spec: DetectorSpec) -> Any:
    from torchvision import models

    return models.get_model(
        spec.architecture, weights=None, weights_backbone=None, num_classes=spec.num_classes
    )


def _fcos_on(trunk: nn.Module, spec: DetectorSpec, fcos: FcosSpec) -> Any:
    """FCOS (Tian et al. 2019) with a feature pyramid on the maps of `trunk`."""
    from torchvision.models.detection import FCOS
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.backbone_utils import BackboneWithFPN
    from torchvision.models.detection.fcos import FCOSHead

    layers = {tap.child: str(index) for index, tap in enumerate(fcos.taps)}
    backbone = BackboneWithFPN(trunk, layers, [tap.channels for tap in fcos.taps], fcos.width)
    strides = strides_of(fcos)
    return FCOS(
        backbone,
        spec.num_classes,
        image_mean=list(spec.mean),
        image_std=list(spec.std),
        anchor_generator=AnchorGenerator(tuple((side,) for side in strides), ((1.0,),) * len(strides)),
        head=FCOSHead(fcos.width, 1, spec.num_classes, fcos.depth),
        score_thresh=SCORE_THRESHOLD,
    )


class Joint(nn.Module):
    """Stands where a stock detector has its body, and answers with what `maps` says."""

    def __init__(self) -> None:
        super().__init__()
        self.maps: Any = None

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        found: dict[str, Tensor] = self.maps(images)
        return found


class Finder(nn.Module):
    """A detector in two parts, so that either can learn, or be run, by itself.

    Inputs: `images` float32 [B, 3, size, size] in 0..1, or `maps` as `features` gives them; and `truth`, a
    mapping a picture of `boxes` [k, 4] (shares of the sides) and `labels` [k] from 0.
    """

    body: nn.Module
    size: int

    def features(self, images: Tensor) -> dict[str, Tensor]:
        """What the body says of images [B, 3, size, size] in 0..1, by name."""
        raise NotImplementedError

    def forward(self, inputs: dict[str, Any], learning: bool = False) -> Any:
        """With `learning` the detector's own loss; else `(loss [1], detections)`: a mapping a picture of
        `boxes` [m, 4] in shares, `labels` [m] from 0 and `scores` [m]."""
        raise NotImplementedError

    def detect(self, images: list[Tensor], maps: dict[str, Tensor] | None = None) -> list[dict[str, Tensor]]:
        """Detections in eval mode, boxes as shares of the sides, the background left out."""
        raise NotImplementedError


class Detector(Finder):
    """`head` is torchvision's detector without its `body`. The loss is the sum of the detector's own."""

    def __init__(self, stock: Any, spec: DetectorSpec) -> None:
        super().__init__()
        self.size, self.place = spec.image_size, "backbone.body" if spec.fcos is not None else "backbone"
        self.body: nn.Module = stock.get_submodule(self.place)
        self.joint = Joint()
        parent, _, name = self.place.rpartition(".")
        setattr(stock.get_submodule(parent), name, self.joint)
        self.head = stock

    def stock_name(self, name: str) -> str:
        """What torchvision calls the parameter or buffer `name` of this module."""
        part, _, rest = name.partition(".")
        return f"{self.place}.{rest}" if part == "body" else rest

    def features(self, images: Tensor) -> dict[str, Tensor]:
        head: Any = self.head
        batch = head.transform(list(images))[0].tensors
        return self._run_body(batch)

    def forward(self, inputs: dict[str, Any], learning: bool = False) -> Any:
        images, given = self._pictures(inputs), inputs.get("maps")
        truth = [{"boxes": one["boxes"] * self.size, "labels": one["labels"] + 1} for one in inputs["truth"]]
        if learning:
            return self._loss(images, truth, given)
        # Once through the body, twice through what reads its maps.
        maps = given if given is not None else self.features(torch.stack(images))
        loss = self._loss(images, truth, maps)
        return loss.reshape(1), self.detect(images, maps)

    def detect(self, images: list[Tensor], maps: dict[str, Tensor] | None = None) -> list[dict[str, Tensor]]:
        self._answer(maps)
        found = self.head(images)
        kept = [one["labels"] > 0 for one in found]
        return [
            {
                "boxes": (one["boxes"][keep] / self.size).clamp(0, 1),
                "labels": one["labels"][keep] - 1,
                "scores": one["scores"][keep],
            }
            for one, keep in zip(found, kept, strict=True)
        ]

    def _loss(
        self, images: list[Tensor], truth: list[dict[str, Tensor]], maps: dict[str, Tensor] | None
    ) -> Tensor:
        self._answer(maps)
        with asked_for_losses(self.head):
            losses: dict[str, Tensor] = self.head(images, truth)
        return torch.stack([item.float() for item in losses.values()]).sum()

    def _answer(self, maps: dict[str, Tensor] | None) -> None:
        self.joint.maps = self._run_body if maps is None else lambda images: OrderedDict(maps)

    def _run_body(self, images: Tensor) -> dict[str, Tensor]:
        found: dict[str, Tensor] = self.body(images.contiguous(memory_format=torch.channels_last))
        return found

    def _pictures(self, inputs: dict[str, Any]) -> list[Tensor]:
        if "images" in inputs:
            return list(inputs["images"])
        # Of pictures that the maps stand for only the size is asked.
        some = next(iter(inputs["maps"].values()))
        blank = torch.zeros((), device=some.device).expand(3, self.size, self.size)
        return [blank] * len(some)


@contextmanager
def asked_for_losses(net: nn.Module) -> Iterator[None]:
    """Inside the block the detector tells losses, whether its layers are in train mode or not.

    torchvision decides by `training` of the parts that hold no layers of their own.
    """
    from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
    from torchvision.models.detection.roi_heads import RoIHeads
    from torchvision.models.detection.rpn import RegionProposalNetwork

    parts = [
        item for item in net.modules() if isinstance(item, RegionProposalNetwork | RoIHeads | GeneralizedRCNN)
    ]
    before = {id(item): item.training for item in (net, *parts)}
    for item in (net, *parts):
        item.training = True
    try:
        yield
    finally:
        for item in (net, *parts):
            item.training = before[id(item)]
