"""Pictures and masks in memory, cut into batches; both move together when they are augmented."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from training.batches import normalize
from training.losses import IGNORED
from training.segmentation.loading import Loaded
from training.spec import ModelSpec

# A cut shows at least so much of a picture's side.
LEAST_SIDE = 0.6


@dataclass(frozen=True)
class MaskBatches:
    """`inputs`: pixels uint8 [n, 3, size, size], or the frozen body's maps [n, d] where `spec` is None;
    `masks` uint8 [n, size, size], in which `ignore` marks pixels of no class.
    """

    inputs: Tensor
    masks: Tensor
    ignore: int
    spec: ModelSpec | None
    augmentation: str = "none"

    @classmethod
    def of(cls, loaded: Loaded, ignore: int, spec: ModelSpec, augmentation: str) -> MaskBatches:
        return cls(loaded.pixels, loaded.masks, ignore, spec, augmentation)

    def __len__(self) -> int:
        return len(self.masks)

    def fingerprint(self) -> str:
        """Of the masks: whoever changes pixels under the same masks gets what they ask for."""
        return hashlib.sha256(self.masks.numpy().data).hexdigest()

    def take(self, rows: Tensor, device: torch.device, seed: int | None = None) -> tuple[Tensor, Tensor]:
        """Normalised images [B, 3, size, size] (or maps [B, d]) and targets int64 [B, size, size], `IGNORED`
        where a pixel has no class; `seed` draws augmentation, None leaves it out."""
        inputs, masks = self.inputs[rows].to(device), self.masks[rows].to(device)
        if self.spec is None:
            return inputs, targets_of(masks, self.ignore)
        images = inputs.float().div_(255)
        if seed is not None and self.augmentation == "light":
            images, masks = moved(images, masks, torch.Generator().manual_seed(seed))
        return normalize(images, self.spec), targets_of(masks, self.ignore)


def targets_of(masks: Tensor, ignore: int) -> Tensor:
    """Class indices int64 with `IGNORED` in the place of `ignore`."""
    targets = masks.long()
    return targets.masked_fill_(targets == ignore, IGNORED)


def moved(images: Tensor, masks: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mirrored half of the time, cut to 0.6..1 of the sides and stretched back, 0.9..1.1 of the light.

    Images [B, 3, H, W] in 0..1 are interpolated, masks uint8 [B, H, W] the nearest pixel of the same cut.
    The generator is on the CPU.
    """
    n = len(images)

    def uniform(low: float, high: float) -> Tensor:
        return torch.empty(n).uniform_(low, high, generator=generator)

    side = uniform(LEAST_SIDE, 1.0)
    across, down = (uniform(-1.0, 1.0) * (1 - side) for _ in range(2))
    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    gain = uniform(0.9, 1.1)
    zero = torch.zeros(n)
    rows = torch.stack([side * mirror, zero, across, zero, side, down], dim=1)
    matrix = rows.reshape(n, 2, 3).to(images.device)
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    images = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    images = (images * gain.to(images.device).reshape(-1, 1, 1, 1)).clamp(0, 1)
    layers = masks.unsqueeze(1).float()
    layers = F.grid_sample(layers, grid, mode="nearest", padding_mode="border", align_corners=False)
    return images, layers[:, 0].to(torch.uint8)
