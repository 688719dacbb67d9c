"""A finished net on whole pictures: classes at the picture's own size, counted picture by picture."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from training.batches import normalize
from training.device import pick_device, reproducible
from training.errors import UserError
from training.measures import masks as measures
from training.measures.checks import Floats, Ints
from training.measures.intervals import bootstrap
from training.measures.masks import pixel_confusion
from training.reporting import Reporter
from training.segmentation.loading import whole_pairs
from training.segmentation.masks import LARGEST, Mask, require_known, squeezed
from training.segmentation.models import Dense, Segmenter
from training.segmentation.reading import Masks

RESAMPLES = 1000
# Logits of so many pixels and classes are stretched at once; more of them class by class.
MAX_ELEMENTS = 64 * 1024 * 1024
# The longest side of a mask that is answered.
MAX_ANSWER = 2048


@dataclass(frozen=True)
class Counted:
    """`parts` [pictures, 3, classes]: pixels told right, true, told; `matrix` [truth, told] of all."""

    parts: Ints
    matrix: Ints


def told_classes(model: Segmenter, picture: Image.Image, height: int, width: int) -> Mask:
    """The class of each pixel uint8 [height, width]: logits at the net's size, stretched bilinearly.

    Raises `UserError` `model:not-finite`.
    """
    device = next(model.net.parameters()).device
    pixels = torch.from_numpy(
        np.ascontiguousarray(squeezed(picture, model.spec.image_size, model.spec.interpolation))
    )
    with torch.inference_mode():
        images = normalize(pixels.unsqueeze(0).to(device).float().div_(255), model.spec)
        logits = Dense(model.net)(images).float()
        if not bool(logits.isfinite().all()):
            raise UserError("model:not-finite", "The model gives NaN or infinity for a picture.")
        found: Mask = stretched(logits, height, width).to(torch.uint8).cpu().numpy()
    return found


def stretched(logits: Tensor, height: int, width: int) -> Tensor:
    """The largest class of logits [1, C, h, w] at each pixel of [height, width]."""
    if logits.shape[1] * height * width <= MAX_ELEMENTS:
        return _enlarged(logits, height, width)[0].argmax(0)
    best = torch.full((height, width), -torch.inf, device=logits.device)
    told = torch.zeros((height, width), dtype=torch.long, device=logits.device)
    for index in range(logits.shape[1]):
        one = F.interpolate(
            logits[:, index : index + 1], (height, width), mode="bilinear", align_corners=False
        )[0, 0]
        told[one > best] = index
        best = torch.maximum(best, one)
    return told


def _enlarged(logits: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(logits, (height, width), mode="bilinear", align_corners=False)


def count(model: Segmenter, split: Masks, ignore: int, reporter: Reporter) -> Counted:
    """Every picture of the split against its mask, whose classes are matched with the model's by name.

    Raises `UserError` that names the row of what cannot be read, or of a class the model does not know.
    """
    model = replace(model, net=model.net.to(pick_device()).eval())
    classes = len(model.spec.labels)
    known = _matched(model.spec.labels, split)
    parts, matrix = [], np.zeros((classes, classes), dtype=np.int64)
    with reproducible(0, True):
        for row, picture, mask in whole_pairs(split):
            reporter.check()
            truth = _renumbered(mask, known, ignore, split, row)
            told = told_classes(model, picture, *mask.shape)
            one = pixel_confusion(truth, told, classes, LARGEST)
            parts.append(np.stack([np.diagonal(one), one.sum(axis=1), one.sum(axis=0)]))
            matrix += one
    return Counted(np.stack(parts), matrix)


def mean_iou_of(parts: Ints) -> float:
    """Mean IoU over all pictures of `parts`, as `measures.mean_iou` gives it; NaN where nothing counts."""
    hits, truth, told = parts.sum(axis=0)
    either = truth + told - hits
    present = either > 0
    return float((hits[present] / either[present]).mean()) if present.any() else float("nan")


def interval(parts: Ints) -> tuple[float, float]:
    """95 % bootstrap interval of the mean IoU over pictures, which come and go whole."""
    found = bootstrap(mean_iou_of, parts, resamples=RESAMPLES)
    return found.lo, found.hi


def by_class(matrix: Ints, labels: Sequence[str]) -> dict[str, dict[str, float | int]]:
    """IoU, Dice and share of true pixels of each class that occurs, as truth or told."""
    iou: Floats = measures.per_class_iou(matrix)
    dice: Floats = measures.per_class_dice(matrix)
    pixels: Ints = matrix.sum(axis=1)
    return {
        label: {"iou": float(iou[index]), "dice": float(dice[index]), "pixels": int(pixels[index])}
        for index, label in enumerate(labels)
        if np.isfinite(iou[index])
    }


def answer(model: Segmenter, picture: Image.Image) -> dict[str, object]:
    """Share of the pixels of each class, and the mask as a grey PNG in base64, its sides 2,048 at most."""
    scale = min(1.0, MAX_ANSWER / max(picture.size))
    width, height = (max(1, round(side * scale)) for side in picture.size)
    told = told_classes(model, picture, height, width)
    counts = np.bincount(told.reshape(-1), minlength=len(model.spec.labels))
    buffer = io.BytesIO()
    Image.fromarray(told).save(buffer, "PNG", optimize=True)
    return {
        "shares": {label: float(counts[index] / told.size) for index, label in enumerate(model.spec.labels)},
        "labels": list(model.spec.labels),
        "width": width,
        "height": height,
        "mask_png": base64.b64encode(buffer.getvalue()).decode("ascii"),
    }


def _matched(known: Sequence[str], split: Masks) -> NDArray[np.int64]:
    """For every class index of the data set the model's, -1 for those that it does not know."""
    if split.labels is None:
        return np.arange(len(known))
    index_of = {label: index for index, label in enumerate(known)}
    if not set(index_of) & set(split.labels):
        ours, theirs = ", ".join(known[:5]), ", ".join(split.labels[:5])
        text = f"The model tells {ours} apart, the data set names {theirs}: no class in common."
        raise UserError("data:labels-mismatch", text[:400])
    return np.array([index_of.get(label, -1) for label in split.labels])


def _renumbered(mask: Mask, known: NDArray[np.int64], ignore: int, split: Masks, row: int) -> Mask:
    """The mask in the model's classes, `LARGEST` where nothing counts."""
    where = split.where(row)
    counts = require_known(mask, len(known), ignore, where)
    strange = np.flatnonzero((known < 0) & (counts > 0))
    if len(strange) and split.labels is not None:
        label = split.labels[strange[0]][:60]
        raise UserError(
            "data:unknown-class", f"The mask {where} shows {label!r}, which the model does not know."
        )
    lookup = np.full(LARGEST + 1, LARGEST, dtype=np.uint8)
    lookup[: len(known)] = np.where(known < 0, LARGEST, known)
    lookup[ignore] = LARGEST
    renumbered: Mask = lookup[mask]
    return renumbered
