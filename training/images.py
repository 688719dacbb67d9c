"""One encoded image to pixels: only known formats, a bound before decoding, the same geometry everywhere."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from training.errors import UserError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
MAX_ENCODED_BYTES = 64 * 1024 * 1024
MAX_PIXELS = 50_000_000
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True)
class Geometry:
    """Shorter side to `size / crop_pct` pixels, then the central square of `size` pixels."""

    size: int
    crop_pct: float = 1.0
    interpolation: str = "bilinear"


def open_image(source: bytes | Path, where: str) -> Image.Image:
    """Decode to RGB, upright. Raises `UserError` `data:broken-image` naming `where` it came from."""
    try:
        encoded = source if isinstance(source, bytes) else _read_bounded(source, where)
        if len(encoded) > MAX_ENCODED_BYTES:
            raise _broken(where, "it is larger than 64 MiB")
        with warnings.catch_warnings():
            # Pillow only warns at half its bomb limit and about odd metadata; our own bound is checked below.
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(encoded), formats=FORMATS)
            if image.width * image.height > MAX_PIXELS:
                raise _broken(where, f"it has {image.width} × {image.height} pixels, more than 50 million")
            return _to_rgb_or_grey(ImageOps.exif_transpose(image))
    except UserError:
        raise
    except MemoryError:
        raise
    except Exception as error:
        # Pillow's decoders raise nearly anything for damaged files (OSError, SyntaxError, struct.error, …).
        raise _broken(where, "it cannot be decoded") from error


def to_pixels(image: Image.Image, geometry: Geometry) -> np.ndarray:
    """RGB or grey image to uint8 [3, size, size]."""
    return np.ascontiguousarray(to_planes(image, geometry))


def to_planes(image: Image.Image, geometry: Geometry) -> np.ndarray:
    """The same, as a view that is to be copied."""
    short = max(geometry.size, round(geometry.size / geometry.crop_pct))
    scale = short / min(image.size)
    width, height = (max(short, round(side * scale)) for side in image.size)
    if width * height > MAX_PIXELS:
        # A sliver: cut the middle out first, or resizing would blow it up beyond any bound.
        image = ImageOps.fit(image, (min(image.size),) * 2)
        width = height = short
    resized = image.resize((width, height), FILTERS[geometry.interpolation])
    left, top = (width - geometry.size) // 2, (height - geometry.size) // 2
    square = resized.crop((left, top, left + geometry.size, top + geometry.size))
    pixels = np.asarray(square)
    if pixels.ndim == 2:
        # Grey is resized once, not three times: the three channels are equal to the last bit.
        return np.broadcast_to(pixels, (3, *pixels.shape))
    return pixels.transpose(2, 0, 1)


def _read_bounded(path: Path, where: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_ENCODED_BYTES + 1)
    except OSError:
        raise UserError("data:missing-image", f"The image {where} does not exist.") from None


def _to_rgb_or_grey(image: Image.Image) -> Image.Image:
    if image.mode == "L":
        return image
    if image.mode.startswith("I"):
        # 16-bit grey: Pillow would clip everything above 255 to white.
        wide = np.asarray(image).astype(np.float64)
        image = Image.fromarray((wide / 257).clip(0, 255).astype(np.uint8))
    return image.convert("RGB")


def _broken(where: str, reason: str) -> UserError:
    return UserError("data:broken-image", f"The image {where} cannot be used: {reason}.")
