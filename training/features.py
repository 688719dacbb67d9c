"""What a frozen body says about each image, computed once: head-only training costs one inference pass.

`frozen_features` runs the body over all images in order. `cached_features` keeps the table on disk under a
`FeatureKey` that names everything it depends on, so that a second run costs a file read.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn

from training.errors import EngineError, UserError
from training.featurecache import FeatureKey, cached_features
from training.inference import Forward, fast_body, plain_body

__all__ = ["FeatureKey", "cached_features", "frozen_features"]

log = logging.getLogger(__name__)

# Below this many images, preparing the fast form costs more than it saves.
FEW_IMAGES = 48
# A micro-batch holds about this many pixels: enough to fill the kernels, small enough for the caches.
MICRO_PIXELS = {"cpu": 16 * 224 * 224, "cuda": 256 * 224 * 224}
MICRO_LIMITS = (4, 512)
LOOKED_BATCHES = 8


def frozen_features(
    body: nn.Module,
    batches: Iterable[Tensor],
    *,
    n: int,
    device: torch.device,
    progress: Callable[[int, int], None],
    check: Callable[[], None],
    precision: str = "auto",
) -> Tensor:
    """Features of `n` images, float32 [n, d] on the CPU, in the order of the batches.

    `body` maps [B, 3, h, w] to [B, d] or to [B, d, h', w'], which is averaged over the image; it is left
    untouched. `batches` hold normalised images of one size, float or uint8, [B, 3, h, w] of any B.
    `progress(done, n)` follows every micro-batch and `check()` goes before it, so that a canceled run stops
    within one. `precision` is "auto" or "fp32". Raises `EngineError` if the batches do not hold exactly `n`
    images of one size, and `UserError` (`model:not-finite`) if features are not finite numbers.
    """
    if n < 1:
        raise EngineError("engine:feature-count", "There are no images to compute features of.")
    table: Tensor | None = None
    run: Forward | None = None
    done = 0
    for images, count in _micro_batches(batches, n, device):
        check()
        tried: Tensor | None = None
        if run is None:
            run, tried = _choose(body, images, n, device, precision)
        rows = (run(images) if tried is None else tried)[:count]
        if table is None:
            table = torch.empty(n, rows.shape[1], dtype=torch.float32)
        table[done : done + count] = rows.to("cpu", torch.float32)
        done += count
        progress(done, n)
    if table is None or done != n:
        raise EngineError("engine:feature-count", f"Expected {n} images, the batches held {done}.")
    if not bool(torch.isfinite(table).all()):
        raise UserError(
            "model:not-finite",
            "The base model gives values that are not finite numbers for some of these images.",
        )
    return table


def _choose(
    body: nn.Module, sample: Tensor, n: int, device: torch.device, precision: str
) -> tuple[Forward, Tensor | None]:
    """How to run the body, and the sample's features where the choice has computed them.

    A body may say that it is not `traceable`: then it runs plainly.
    """
    if n < FEW_IMAGES or not getattr(body, "traceable", True):
        return plain_body(body, device), None
    chosen = fast_body(body, sample, device=device, precision=precision)
    log.info("Frozen features: %s, %s form, off by %.2g.", chosen.precision, chosen.form, chosen.error)
    return chosen.run, chosen.rows


def micro_batch_size(height: int, width: int, n: int, device: torch.device) -> int:
    """Images per forward pass: a rule of the picture size alone, so that equal runs give equal numbers."""
    pixels = MICRO_PIXELS.get(device.type, MICRO_PIXELS["cpu"])
    smallest, largest = MICRO_LIMITS
    size = smallest
    while size * 2 <= largest and size * 2 * height * width <= pixels:
        size *= 2
    return max(1, min(size, n))


def enough_images(height: int, width: int, n: int, device: torch.device) -> int:
    """Of how many images the pace of a frozen body can be told: some batches after the first one."""
    return LOOKED_BATCHES * micro_batch_size(height, width, n, device)


def _micro_batches(batches: Iterable[Tensor], n: int, device: torch.device) -> Iterator[tuple[Tensor, int]]:
    """The same images in equal batches, with how many of each count: the last one is filled up with zeros.

    Equal shapes let the body be traced and its weights be packed once.
    """
    waiting: list[Tensor] = []
    held = 0
    size = 0
    shape: torch.Size | None = None
    for batch in batches:
        if batch.ndim != 4 or (shape is not None and batch.shape[1:] != shape):
            raise EngineError("engine:feature-shape", "Images of one data set must all have the same size.")
        if shape is None:
            shape = batch.shape[1:]
            size = micro_batch_size(int(shape[1]), int(shape[2]), n, device)
        waiting.append(batch.float())
        held += len(batch)
        while held >= size:
            joined = torch.cat(waiting) if len(waiting) > 1 else waiting[0]
            yield joined[:size], size
            waiting, held = [joined[size:]], held - size
    if held:
        joined = torch.cat(waiting)
        yield torch.cat([joined, joined.new_zeros(size - held, *joined.shape[1:])]), held
