"""RandAugment (Cubuk et al. 2020): a few operations of one strength, drawn anew for every image."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

# torchvision's own table: strengths in 31 steps, and whether a coin turns the sign.
BINS = 31
SIGNED = frozenset(
    {"ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast", "Sharpness"}
)
OPERATIONS = (
    "Identity",
    "ShearX",
    "ShearY",
    "TranslateX",
    "TranslateY",
    "Rotate",
    "Brightness",
    "Color",
    "Contrast",
    "Sharpness",
    "Posterize",
    "Solarize",
    "AutoContrast",
    "Equalize",
)


def randaugment(pixels: Tensor, generator: torch.Generator, *, rounds: int = 2, magnitude: int = 9) -> Tensor:
    """uint8 [B, 3, H, W] in and out; `rounds` operations an image, drawn from a generator on the CPU.

    Operations, strengths (`magnitude` of 30) and the black around moved images are torchvision's, with
    bilinear resampling. Images that drew the same operation go through it together.
    """
    pixels = pixels.clone()
    for _ in range(rounds):
        drawn = torch.randint(len(OPERATIONS), (len(pixels),), generator=generator)
        turned = torch.randint(2, (len(pixels),), generator=generator).bool()
        for index, name in enumerate(OPERATIONS):
            strength = _strength(name, magnitude, pixels.shape[-2], pixels.shape[-1])
            for sign, wanted in ((1.0, ~turned), (-1.0, turned)) if name in SIGNED else ((1.0, drawn >= 0),):
                rows = torch.nonzero((drawn == index) & wanted).flatten().to(pixels.device)
                if len(rows) and name != "Identity":
                    pixels[rows] = apply(name, pixels[rows], sign * strength)
    return pixels


def apply(name: str, pixels: Tensor, strength: float) -> Tensor:
    """One operation of `OPERATIONS` on uint8 images [B, 3, H, W]."""
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms import functional as tv

    smooth = InterpolationMode.BILINEAR
    tilt = math.degrees(math.atan(strength))

    def moved(x: int, y: int) -> Tensor:
        return tv.affine(pixels, 0.0, [x, y], 1.0, [0.0, 0.0], smooth)

    def sheared(x: float, y: float) -> Tensor:
        return tv.affine(pixels, 0.0, [0, 0], 1.0, [x, y], smooth, center=[0, 0])

    known: dict[str, Callable[[], Tensor]] = {
        "Identity": lambda: pixels,
        "ShearX": lambda: sheared(tilt, 0.0),
        "ShearY": lambda: sheared(0.0, tilt),
        "TranslateX": lambda: moved(int(strength), 0),
        "TranslateY": lambda: moved(0, int(strength)),
        "Rotate": lambda: tv.rotate(pixels, strength, smooth),
        "Brightness": lambda: tv.adjust_brightness(pixels, 1.0 + strength),
        "Color": lambda: tv.adjust_saturation(pixels, 1.0 + strength),
        "Contrast": lambda: tv.adjust_contrast(pixels, 1.0 + strength),
        "Sharpness": lambda: tv.adjust_sharpness(pixels, 1.0 + strength),
        "Posterize": lambda: tv.posterize(pixels, int(strength)),
        "Solarize": lambda: tv.solarize(pixels, strength),
        "AutoContrast": lambda: tv.autocontrast(pixels),
        "Equalize": lambda: tv.equalize(pixels),
    }
    return known[name]()


def _strength(name: str, magnitude: int, height: int, width: int) -> float:
    """What `magnitude` of 0..30 means for an operation, without its sign."""
    share = magnitude / (BINS - 1)
    return {
        "ShearX": 0.3 * share,
        "ShearY": 0.3 * share,
        "TranslateX": 150.0 / 331.0 * width * share,
        "TranslateY": 150.0 / 331.0 * height * share,
        "Rotate": 30.0 * share,
        "Posterize": 8.0 - round(magnitude / ((BINS - 1) / 4)),
        "Solarize": 255.0 * (1 - share),
        **dict.fromkeys(("Brightness", "Color", "Contrast", "Sharpness"), 0.9 * share),
    }.get(name, 0.0)
