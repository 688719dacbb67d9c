"""What a detector has to beat: boxes that never look, and blobs of other colours, told apart by theirs."""

from __future__ import annotations

from typing import Any

import numpy as np

BINS = 4
PRIOR_BOXES = 25
# A blob of fewer pixels is no object, two at once make one more candidate.
LEAST_AREA = 0.01
Found = tuple[np.ndarray, np.ndarray, np.ndarray]


def measure(train: tuple[Any, list[Any]], test: tuple[Any, list[Any]], labels: list[str]) -> dict[str, Any]:
    """mAP and its kin of each baseline, learnt from the very same pictures as the nets.

    `train` and `test`: pixels uint8 [n, 3, s, s], and a mapping a picture of `boxes` (shares of
    the sides) and `labels`.
    """
    from training.measures.boxes import Detections, Objects, mean_average_precision

    truth = [Objects(one["boxes"], one["labels"]) for one in test[1]]
    told = {
        "the commonest boxes, never looking": _prior(train[1], len(test[1]), len(labels)),
        "colour blobs + logistic regression": _blobs(train, test[0], len(labels)),
    }
    scores = {}
    for name, found in told.items():
        got = mean_average_precision(truth, [Detections(*one) for one in found], len(labels))
        by_class = {f"ap {label}": float(value) for label, value in zip(labels, got.per_class, strict=True)}
        scores[name] = {"map": got.ap, "map50": got.ap50, "recall": got.recall, **by_class}
    return scores


def _prior(objects: list[Any], pictures: int, classes: int) -> list[Found]:
    """The means of clusters of the training boxes, each as every class, scored by how often it was one."""
    from sklearn.cluster import KMeans

    boxes = np.concatenate([one["boxes"] for one in objects])
    kinds = np.concatenate([one["labels"] for one in objects])
    groups = KMeans(min(PRIOR_BOXES, len(boxes)), n_init=1, random_state=0).fit(boxes)
    shares = np.zeros((len(groups.cluster_centers_), classes))
    np.add.at(shares, (groups.labels_, kinds), 1 / len(boxes))
    centers = np.repeat(groups.cluster_centers_, classes, axis=0).clip(0, 1)
    every = np.tile(np.arange(classes), len(shares))
    return [(centers, every, shares.ravel())] * pictures


def _blobs(train: tuple[Any, list[Any]], pixels: Any, classes: int) -> list[Found]:
    """Connected pixels unlike the picture's rim; their class and the score by logistic regression on colour
    histograms and shape, learnt from true boxes and from blobs that meet none."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    from training.measures.boxes import box_iou

    rows, kinds = [], []
    for image, one in zip(train[0], train[1], strict=True):
        missed = blobs(image)
        if len(missed) and len(one["boxes"]):
            missed = missed[box_iou(missed, one["boxes"]).max(axis=1) < 0.3]
        rows += [described(image, box) for box in (*one["boxes"], *missed)]
        kinds += [*one["labels"], *([classes] * len(missed))]
    scaler = StandardScaler().fit(rows)
    model = LogisticRegression(C=0.1, max_iter=500).fit(scaler.transform(rows), kinds)
    known = [place for place, kind in enumerate(model.classes_) if kind < classes]
    found = []
    for image in pixels:
        boxes = blobs(image)
        if not len(boxes):
            found.append((np.zeros((0, 4)), np.zeros(0, dtype=int), np.zeros(0)))
            continue
        shares = model.predict_proba(scaler.transform([described(image, box) for box in boxes]))[:, known]
        every = np.tile(model.classes_[known], len(boxes))
        found.append((np.repeat(boxes, len(known), axis=0), every, shares.ravel()))
    return found


def blobs(image: np.ndarray) -> np.ndarray:
    """Boxes [n, 4] in shares of connected regions whose colour is unlike the rim's, by Otsu's threshold."""
    from scipy import ndimage

    plane = image.astype(np.float64).transpose(1, 2, 0)
    side = len(plane)
    rim = np.concatenate([plane[:3], plane[-3:]]).reshape(-1, 3)
    rim = np.concatenate([rim, np.concatenate([plane[:, :3], plane[:, -3:]]).reshape(-1, 3)])
    away = plane - np.median(rim, axis=0)
    spread = np.linalg.inv(np.cov(rim.T) + 25 * np.eye(3))
    distance = np.sqrt(np.einsum("ijk,kl,ijl->ij", away, spread, away))
    smooth = ndimage.gaussian_filter(distance, side / 64)
    parts, count = ndimage.label(ndimage.binary_opening(smooth > _otsu(smooth), iterations=1))
    boxes = [
        (place[1].start, place[0].start, place[1].stop, place[0].stop)
        for index, place in enumerate(ndimage.find_objects(parts), start=1)
        if (parts[place] == index).sum() >= LEAST_AREA * side * side
    ]
    return np.array(boxes, dtype=np.float64).reshape(-1, 4) / side if count else np.zeros((0, 4))


def described(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Shares of 4 × 4 × 4 colours in a box, its width, height and ratio."""
    side = image.shape[-1]
    left, top = np.floor(box[:2] * side).astype(int)
    right, bottom = np.maximum(np.ceil(box[2:] * side).astype(int), (left + 1, top + 1))
    levels = (image[:, top:bottom, left:right].reshape(3, -1) // (256 // BINS)).astype(int)
    colours = np.bincount(levels[0] * BINS**2 + levels[1] * BINS + levels[2], minlength=BINS**3)
    width, height = box[2:] - box[:2]
    return np.append(np.sqrt(colours / max(1, colours.sum())), [width, height, np.log(width / height)])


def _otsu(values: np.ndarray) -> float:
    """The threshold with the largest variance between what lies below and above (Otsu 1979)."""
    counts, edges = np.histogram(values, bins=64)
    middles = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * middles)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(edges[1:][np.nanargmax(between)])
