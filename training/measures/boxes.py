"""Measures of detected objects as COCO's own evaluation defines them; those of masks come from `masks`.

Boxes are [n, 4] of left, top, right, bottom in pixels, no pixel counted twice (no "+ 1"). Crowd regions and
object sizes are not told apart. Errors are those of `checks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.errors import UserError
from training.measures.checks import Bools, Floats, Ints, indices, numbers, same_length, some_rows
from training.measures.masks import (
    dice,
    mean_iou,
    per_class_dice,
    per_class_iou,
    pixel_accuracy,
    pixel_confusion,
)

__all__ = [
    "Detections",
    "MeanAveragePrecision",
    "Objects",
    "box_iou",
    "dice",
    "mean_average_precision",
    "mean_iou",
    "per_class_dice",
    "per_class_iou",
    "pixel_accuracy",
    "pixel_confusion",
]

THRESHOLDS: Floats = np.linspace(0.5, 0.95, 10)
RECALLS: Floats = np.linspace(0, 1, 101)
MAX_DETECTIONS = 100


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
class MeanAveragePrecision:
    """Fractions: AP over IoU 0.5 to 0.95, at 0.5 and at 0.75; mean recall with 100 detections; and the AP of
    each class [classes], NaN for classes without objects. All NaN where there are no objects at all.
    """

    ap: float
    ap50: float
    ap75: float
    recall: float
    per_class: Floats


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


def mean_average_precision(
    truths: Sequence[Objects], detections: Sequence[Detections], classes: int
) -> MeanAveragePrecision:
    """COCO's mAP over images: 101-point interpolated precision, the 100 best detections of each class in each
    image, each object matched once, to the detection with the higher score.
    """
    same_length(len(truths), len(detections), "images with objects and with detections")
    some_rows(len(truths))
    images = [
        _checked(*pair, classes, row) for row, pair in enumerate(zip(truths, detections, strict=True), 1)
    ]
    precision = np.full((len(THRESHOLDS), classes), np.nan)
    recall = np.full((len(THRESHOLDS), classes), np.nan)
    for label in range(classes):
        matched, scores, objects = _matches(images, label)
        if objects:
            precision[:, label], recall[:, label] = _interpolated(matched, scores, objects)
    return MeanAveragePrecision(
        ap=_mean(precision),
        ap50=_mean(precision[0]),
        ap75=_mean(precision[5]),
        recall=_mean(recall),
        per_class=precision.mean(axis=0),
    )


@dataclass(frozen=True)
class _Image:
    objects: Floats
    object_labels: Ints
    found: Floats
    found_labels: Ints
    scores: Floats


def _matches(images: list[_Image], label: int) -> tuple[Bools, Floats, int]:
    """Of one class: whether each detection meets an object [thresholds, detections], scores, objects."""
    matched, scores, objects = [np.zeros((len(THRESHOLDS), 0), dtype=np.bool_)], [np.zeros(0)], 0
    for image in images:
        wanted = image.objects[image.object_labels == label]
        mine = np.flatnonzero(image.found_labels == label)
        mine = mine[np.argsort(-image.scores[mine], kind="stable")][:MAX_DETECTIONS]
        matched.append(_match(box_iou(image.found[mine], wanted)))
        scores.append(image.scores[mine])
        objects += len(wanted)
    return np.concatenate(matched, axis=1), np.concatenate(scores), objects


def _match(overlaps: Floats) -> Bools:
    """Greedily, detections in order: each takes the free object it overlaps most, at every threshold."""
    found, objects = overlaps.shape
    taken = np.zeros((len(THRESHOLDS), objects), dtype=np.bool_)
    matched = np.zeros((len(THRESHOLDS), found), dtype=np.bool_)
    if not objects:
        return matched
    rows = np.arange(len(THRESHOLDS))
    for index in range(found):
        free = np.where(taken, -1.0, overlaps[index])
        # The last of equals, as COCO's loop leaves it.
        best = objects - 1 - free[:, ::-1].argmax(axis=1)
        hit = free[rows, best] >= np.minimum(THRESHOLDS, 1 - 1e-10)
        taken[rows[hit], best[hit]] = True
        matched[:, index] = hit
    return matched


def _interpolated(matched: Bools, scores: Floats, objects: int) -> tuple[Floats, Floats]:
    """AP and highest recall at each threshold."""
    order = np.argsort(-scores, kind="stable")
    right = np.cumsum(matched[:, order], axis=1)
    places = np.arange(1, len(scores) + 1)
    average, top = np.zeros(len(THRESHOLDS)), np.zeros(len(THRESHOLDS))
    for row, hits in enumerate(right):
        if not len(hits):
            continue
        recalls, shares = hits / objects, hits / places
        shares = np.maximum.accumulate(shares[::-1])[::-1]
        at = np.searchsorted(recalls, RECALLS, side="left")
        average[row] = np.append(shares, 0.0)[at].mean()
        top[row] = recalls[-1]
    return average, top


def _checked(truth: Objects, found: Detections, classes: int, row: int) -> _Image:
    objects, boxes = _boxes(truth.boxes), _boxes(found.boxes)
    object_labels = _labels(truth.labels, len(objects), classes, f"labels of the objects in image {row:,}")
    labels = _labels(found.labels, len(boxes), classes, f"labels of the detections in image {row:,}")
    scores = np.asarray(found.scores)
    if boxes.size or scores.size:
        scores = numbers(scores, f"scores in image {row:,}", len(boxes))
    return _Image(objects, object_labels, boxes, labels, scores.astype(np.float64))


def _labels(values: ArrayLike, count: int, classes: int, name: str) -> Ints:
    array: NDArray[np.int64] = np.asarray(values)
    if not count and not array.size:
        return np.zeros(0, dtype=np.int64)
    return indices(array, name, classes, count)


def _boxes(values: ArrayLike) -> Floats:
    array = np.asarray(values)
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


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
