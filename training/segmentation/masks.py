"""One encoded mask to class indices, bounded before it is decoded; a picture to the square the net sees."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.errors import UserError
from training.images import FILTERS, MAX_ENCODED_BYTES, MAX_PIXELS

Mask = NDArray[np.uint8]

# Formats that keep every value: JPEG and lossy WEBP would blur class indices.
FORMATS = ("PNG", "BMP", "GIF", "TIFF")
MODES = ("1", "L", "P", "I;16", "I;16L", "I;16B", "I")
LARGEST = 255
# Pillow stretches grey of two and four bits to 0..255; these undo it.
STRETCHED = {"L;2": 85, "L;4": 17}


def open_mask(source: bytes | Path, where: str) -> Mask:
    """Class indices uint8 [height, width] of a grey or palette picture.

    Raises `UserError` `data:missing-mask` and `data:broken-mask`, naming `where` it came from.
    """
    try:
        encoded = source if isinstance(source, bytes) else _read_bounded(source, where)
        if len(encoded) > MAX_ENCODED_BYTES:
            raise _broken(where, "it is larger than 64 MiB")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(encoded), formats=FORMATS)
            if image.width * image.height > MAX_PIXELS:
                raise _broken(where, f"it has {image.width} × {image.height} pixels, more than 50 million")
            if image.mode not in MODES:
                text = f"it is a picture in {image.mode}; a mask holds class indices, grey or by palette"
                raise _broken(where, text)
            # Decoding forgets how grey was stored.
            stretched = _stretched(image)
            values = np.asarray(image)
    except UserError:
        raise
    except MemoryError:
        raise
    except Exception as error:
        # Pillow's decoders raise nearly anything for damaged files.
        raise _broken(where, "it cannot be decoded as PNG, BMP, GIF or TIFF") from error
    for value in (int(values.min()), int(values.max())):
        if not 0 <= value <= LARGEST:
            raise _broken(where, f"it holds the value {value}; class indices go from 0 to {LARGEST}")
    return (values.astype(np.uint8) // stretched).astype(np.uint8)


def _stretched(image: Image.Image) -> int:
    """By how much Pillow multiplies the values of this grey picture."""
    tiles = getattr(image, "tile", None) or []
    how = tiles[0][3] if tiles and len(tiles[0]) > 3 else None
    raw = how[0] if isinstance(how, tuple) and how else how
    return STRETCHED.get(raw, 1) if isinstance(raw, str) else 1


def squeezed(image: Image.Image, size: int, interpolation: str) -> NDArray[np.uint8]:
    """An RGB or grey picture as uint8 [3, size, size], all of it: sides may shrink by different factors."""
    pixels = np.asarray(image.resize((size, size), FILTERS[interpolation]))
    if pixels.ndim == 2:
        return np.broadcast_to(pixels, (3, *pixels.shape))
    return pixels.transpose(2, 0, 1)


def squeezed_mask(mask: Mask, size: int) -> Mask:
    """The mask [size, size] by the nearest pixel: no class is invented between two others."""
    return np.asarray(Image.fromarray(mask).resize((size, size), Image.Resampling.NEAREST))


def require_same_size(mask: Mask, width: int, height: int, where: str) -> None:
    """Raises `UserError` `data:mask-size` where the picture has another size than its mask."""
    if mask.shape != (height, width):
        found = f"{mask.shape[1]} × {mask.shape[0]}"
        text = f"The mask {where} has {found} pixels, its picture {width} × {height}; they must be the same."
        raise UserError("data:mask-size", text)


def require_known(mask: Mask, labels: int, ignore: int, where: str) -> NDArray[np.int64]:
    """Pixels of each class [labels]. Raises `UserError` `data:bad-mask` for an index that names no class."""
    counts = np.bincount(mask.reshape(-1), minlength=LARGEST + 1)
    counts[ignore] = 0
    unknown = np.flatnonzero(counts[labels:])
    if len(unknown):
        text = (
            f"The mask {where} holds the class index {int(unknown[0]) + labels}; there are {labels} classes "
            f"(0 to {labels - 1}), and dataset.ignore_index is {ignore}."
        )
        raise UserError("data:bad-mask", text)
    known: NDArray[np.int64] = counts[:labels].astype(np.int64)
    return known


def _read_bounded(path: Path, where: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_ENCODED_BYTES + 1)
    except OSError:
        raise UserError("data:missing-mask", f"The mask {where} does not exist.") from None


def _broken(where: str, reason: str) -> UserError:
    return UserError("data:broken-mask", f"The mask {where} cannot be used: {reason}.")
