"""Measures of detected objects as COCO's own evaluation defines them; those of masks come from `masks`.

Boxes are [n, 4] of left, top, right, bottom in pixels, no pixel counted twice (no "+ 1"). Crowd regions and
object sizes are not told apart. Errors are those of `checks`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from training.measures.checks import Bools, Floats, Ints, same_length, some_rows
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
    "map_interval",
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
# Of resampling: what a class costs beside its detections, and how much of both in all.
OVERHEAD, MOST_WORK = 2_000, 40_000_000


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
        found = _matches(images, label)
        if found.objects.any():
            precision[:, label], recall[:, label] = found.interpolated()
    return MeanAveragePrecision(
        ap=_mean(precision),
        ap50=_mean(precision[0]),
        ap75=_mean(precision[5]),
        recall=_mean(recall),
        per_class=precision.mean(axis=0),
    )


def map_interval(
    truths: Sequence[Objects],
    detections: Sequence[Detections],
    classes: int,
    *,
    resamples: int = 1000,
    seed: int = 0,
    check: Callable[[], None] = lambda: None,
) -> tuple[float, float]:
    """The percentile interval, 95 %, of COCO's mAP over images drawn again with replacement; NaN, NaN where
    there are no objects. Classes that a draw leaves without objects do not count in it.

    What matches what does not depend on the draw, so it is found once; there are fewer resamples, 100 at
    least, where there are many classes or detections. `check` is called between them.
    """
    images = [
        checked(*pair, classes, row) for row, pair in enumerate(zip(truths, detections, strict=True), 1)
    ]
    found = [one for one in (_matches(images, label) for label in range(classes)) if one.objects.any()]
    if not found:
        return float("nan"), float("nan")
    cost = sum(OVERHEAD + one.matched.shape[1] for one in found)
    generator = np.random.default_rng(seed)
    means = []
    for _ in range(max(100, min(resamples, MOST_WORK // cost))):
        check()
        times = np.bincount(generator.integers(len(images), size=len(images)), minlength=len(images))
        counted = [one for one in found if (one.objects * times).sum()]
        if counted:
            means.append(np.mean([one.interpolated(times)[0].mean() for one in counted]))
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


@dataclass(frozen=True)
class Matches:
    """Of one class, detections in order of falling scores: whether each meets an object [thresholds, m], in
    which image it is [m]; and how many objects each image has [images].
    """

    matched: Bools
    images: Ints
    objects: Ints

    def interpolated(self, times: Ints | None = None) -> tuple[Floats, Floats]:
        """AP and highest recall at each threshold, every image counted so many times (once)."""
        counts = self.images * 0 + 1 if times is None else times[self.images]
        objects = self.objects.sum() if times is None else (self.objects * times).sum()
        return _interpolated(self.matched, counts, int(objects))


def _matches(images: list[Image], label: int) -> Matches:
    matched, scores = [np.zeros((len(THRESHOLDS), 0), dtype=np.bool_)], [np.zeros(0)]
    places, objects = [np.zeros(0, dtype=np.int64)], np.zeros(len(images), dtype=np.int64)
    for row, image in enumerate(images):
        wanted = image.objects[image.object_labels == label]
        mine = np.flatnonzero(image.found_labels == label)
        mine = mine[np.argsort(-image.scores[mine], kind="stable")][:MAX_DETECTIONS]
        matched.append(_match(box_iou(image.found[mine], wanted)))
        scores.append(image.scores[mine])
        places.append(np.full(len(mine), row))
        objects[row] = len(wanted)
    order = np.argsort(-np.concatenate(scores), kind="stable")
    return Matches(np.concatenate(matched, axis=1)[:, order], np.concatenate(places)[order], objects)


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


def _interpolated(matched: Bools, counts: Ints, objects: int) -> tuple[Floats, Floats]:
    """AP and highest recall at each threshold; every detection stands for `counts` of its kind."""
    average, top = np.zeros(len(THRESHOLDS)), np.zeros(len(THRESHOLDS))
    if not len(counts):
        return average, top
    right = np.cumsum(matched * counts, axis=1)
    shares = right / np.maximum(np.cumsum(counts), 1)
    shares = np.maximum.accumulate(shares[:, ::-1], axis=1)[:, ::-1]
    for row, hits in enumerate(right):
        at = np.searchsorted(hits / objects, RECALLS, side="left")
        average[row] = np.append(shares[row], 0.0)[at].mean()
        top[row] = hits[-1] / objects
    return average, top


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
