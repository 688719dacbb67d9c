"""Objects and detections of an image, checked, and how much boxes overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from training.errors import UserError
from training.measures.checks import Floats, Ints, as_array, indices, numbers


@dataclass(frozen=True)
class Objects:
    """What is truly in one image: boxes [n, 4] and their class indices [n]."""

    boxes: ArrayLike
    labels: ArrayLike


@dataclass(frozen=True)
class Detections:
    """What was found in one image: boxes [n, 4], class indices [n] and scores [n], in any order."""

    boxes: ArrayLike
    labels: ArrayLike
    scores: ArrayLike


@dataclass(frozen=True)
class Image:
    """One image's objects and detections as arrays of equal lengths."""

    objects: Floats
    object_labels: Ints
    found: Floats
    found_labels: Ints
    scores: Floats


def box_iou(first: ArrayLike, second: ArrayLike) -> Floats:
    """Intersection over union of every box of `first` [n, 4] with every one of `second` [m, 4]: [n, m]; 0
    for two boxes without area. `UserError` `measure:box` for a box whose right or bottom comes first.
    """
    a, b = _boxes(first), _boxes(second)
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    union = _areas(a)[:, None] + _areas(b)[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def checked(truth: Objects, found: Detections, classes: int, row: int) -> Image:
    """The arrays of one image; `row`: its number, for refusals. Errors: those of `checks`, `measure:box`."""
    objects, boxes = _boxes(truth.boxes), _boxes(found.boxes)
    object_labels = _labels(truth.labels, len(objects), classes, f"labels of the objects in image {row:,}")
    labels = _labels(found.labels, len(boxes), classes, f"labels of the detections in image {row:,}")
    scores = as_array(found.scores, "scores")
    if boxes.size or scores.size:
        scores = numbers(scores, f"scores in image {row:,}", len(boxes))
    return Image(objects, object_labels, boxes, labels, scores.astype(np.float64))


def _labels(values: ArrayLike, count: int, classes: int, name: str) -> Ints:
    array = as_array(values, name)
    if not count and not array.size:
        return np.zeros(0, dtype=np.int64)
    return indices(array, name, classes, count)


def _boxes(values: ArrayLike) -> Floats:
    array = as_array(values, "boxes")
    if not array.size:
        return np.zeros((0, 4))
    boxes = numbers(array, "boxes", None, 4)
    wrong = (boxes[:, 2:] < boxes[:, :2]).any(axis=1)
    if wrong.any():
        text = f"Box {int(np.argmax(wrong)) + 1} ends before it begins; boxes are left, top, right, bottom."
        raise UserError("measure:box", text)
    return boxes


def _areas(boxes: Floats) -> Floats:
    return (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
