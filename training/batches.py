"""Inputs held in memory, cut into batches; pixels are augmented and normalised on the way."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from training.augment import views
from training.device import step_seed
from training.mixing import Mixing
from training.spec import ModelSpec

EVAL_BATCH = 64


@dataclass(frozen=True)
class Batches:
    """`inputs`: uint8 pixels [n, 3, size, size], or features [n, d] where `spec` is None; `targets`: [n]."""

    inputs: Tensor
    targets: Tensor
    spec: ModelSpec | None
    augmentation: str = "none"
    mixing: Mixing | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def fingerprint(self) -> str:
        """Of the targets: whoever changes pixels under the same labels gets what they ask for."""
        return hashlib.sha256(self.targets.numpy().tobytes()).hexdigest()

    def take(self, rows: Tensor, device: torch.device, seed: int | None = None) -> tuple[Tensor, Tensor]:
        """One batch ready for the network; `seed` draws augmentation and mixing, None leaves them out.

        Mixed targets are shares of the classes [B, classes].
        """
        inputs, targets = self.inputs[rows].to(device), self.targets[rows].to(device)
        if self.spec is None:
            return inputs, targets
        if seed is None:
            return normalize(inputs.float().div_(255), self.spec), targets
        generator = torch.Generator().manual_seed(seed)
        images = views(inputs, self.augmentation, generator)
        if self.mixing is not None:
            images, targets = self.mixing.mix(images, targets, generator)
        return normalize(images, self.spec), targets


def normalize(images: Tensor, spec: ModelSpec) -> Tensor:
    """[B, 3, H, W] in 0..1 to the network's range, in the memory format that convolutions like best."""
    mean = torch.tensor(spec.mean, device=images.device).reshape(1, 3, 1, 1)
    std = torch.tensor(spec.std, device=images.device).reshape(1, 3, 1, 1)
    return ((images - mean) / std).contiguous(memory_format=torch.channels_last)


def normalized(
    pixels: Tensor, spec: ModelSpec, device: torch.device, size: int = EVAL_BATCH
) -> Iterator[Tensor]:
    """All images in order, in batches of `size`; the last may be shorter."""
    for start in range(0, len(pixels), size):
        yield normalize(pixels[start : start + size].to(device).float().div_(255), spec)


def epoch_order(n: int, batch: int, seed: int, epoch: int) -> Tensor:
    """A permutation of the rows for this epoch, from a generator of its own.

    If a single image would be left for the last batch it sits this epoch out: batch statistics need two.
    """
    generator = torch.Generator().manual_seed(step_seed(seed, -1 - epoch))
    order = torch.randperm(n, generator=generator)
    return order[:-1] if batch > 1 and n > 1 and n % batch == 1 else order
