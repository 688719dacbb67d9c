"""Measures of detected objects as COCO's own evaluation defines them; those of masks come from `masks`.

Boxes are [n, 4] of left, top, right, bottom in pixels, no pixel counted twice (no "+ 1"). Crowd regions and
object sizes are not told apart. Errors are those of `checks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.measures.checks import Bools, Floats, same_length, some_rows
from training.measures.detections import Detections, Image, Objects, box_iou, checked
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
class MeanAveragePrecision:
    """Fractions: AP over IoU 0.5 to 0.95, at 0.5 and at 0.75; mean recall with 100 detections; and the AP of
    each class [classes], NaN for classes without objects. All NaN where there are no objects at all.
    """

    ap: float
    ap50: float
    ap75: float
    recall: float
    per_class: Floats


def mean_average_precision(
    truths: Sequence[Objects], detections: Sequence[Detections], classes: int
) -> MeanAveragePrecision:
    """COCO's mAP over images: 101-point interpolated precision, the 100 best detections of each class in each
    image, each object matched once, to the detection with the higher score.
    """
    same_length(len(truths), len(detections), "images with objects and with detections")
    some_rows(len(truths))
    images = [
        checked(*pair, classes, row) for row, pair in enumerate(zip(truths, detections, strict=True), 1)
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


def _matches(images: list[Image], label: int) -> tuple[Bools, Floats, int]:
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


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
