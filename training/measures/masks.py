"""Measures of masks: a class index per pixel, counted image by image into one confusion matrix.

Classes that occur neither as truth nor as prediction are left out of means. Errors are those of `checks`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from training.errors import UserError
from training.measures.checks import Floats, Ints, as_array, defined, some_rows


def pixel_confusion(targets: ArrayLike, predictions: ArrayLike, classes: int, ignore: int = 255) -> Ints:
    """Pixels [truth, prediction] of masks of one shape; pixels whose truth is `ignore` are not counted.

    Matrices of several images add up. `UserError` `measure:shape`, `measure:type`, `measure:class`.
    """
    truth, guess = as_array(targets, "masks"), as_array(predictions, "masks")
    if truth.shape != guess.shape:
        text = f"The masks have the shapes {truth.shape} and {guess.shape}; they must be the same."
        raise UserError("measure:shape", text)
    if truth.dtype.kind not in "iub" or guess.dtype.kind not in "iub":
        raise UserError("measure:type", "Masks must hold class indices: whole numbers from 0.")
    counted = truth != ignore
    truth, guess = truth[counted].astype(np.int64), guess[counted].astype(np.int64)
    for name, pixels in (("true", truth), ("predicted", guess)):
        if pixels.size and not 0 <= pixels.min() <= pixels.max() < classes:
            wrong = pixels.min() if pixels.min() < 0 else pixels.max()
            text = f"A {name} mask holds class {wrong}; it must be between 0 and {classes - 1}."
            raise UserError("measure:class", text)
    return np.bincount(truth * classes + guess, minlength=classes * classes).reshape(classes, classes)


def pixel_accuracy(matrix: Ints) -> float:
    """Share of pixels told right."""
    some_rows(int(matrix.sum()))
    return float(np.trace(matrix) / matrix.sum())


def per_class_iou(matrix: Ints) -> Floats:
    """Pixels of both over pixels of either [classes] (Jaccard); NaN for classes that never occur."""
    hits, both = np.diagonal(matrix), matrix.sum(axis=0) + matrix.sum(axis=1)
    return _share(hits, both - hits)


def per_class_dice(matrix: Ints) -> Floats:
    """Twice the pixels of both over the sum of each [classes], the F1; NaN for classes that never occur."""
    return _share(2 * np.diagonal(matrix), matrix.sum(axis=0) + matrix.sum(axis=1))


def mean_iou(matrix: Ints) -> float:
    """Plain mean of the classes' IoU."""
    some_rows(int(matrix.sum()))
    return float(np.nanmean(per_class_iou(matrix)))


def dice(matrix: Ints) -> float:
    """Plain mean of the classes' Dice."""
    some_rows(int(matrix.sum()))
    return float(np.nanmean(per_class_dice(matrix)))


def summary(matrix: Ints) -> dict[str, float]:
    """Every number there is."""
    return defined(
        {"mean_iou": mean_iou(matrix), "pixel_accuracy": pixel_accuracy(matrix), "dice": dice(matrix)}
    )


def _share(part: Ints, whole: Ints) -> Floats:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
