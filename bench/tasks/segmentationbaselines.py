"""What a net for maps has to beat: the commonest class everywhere, and models of single pixels."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

Scores = dict[str, float]
# Pixels to learn from, drawn from all training pictures alike.
SAMPLE = 20_000
# Models of pixels read pictures at this size; their answers are enlarged to the masks'.
SIDE = 56


def measure(recipe: Any, data_dir: Path) -> dict[str, Scores]:
    """Scores on the test split at every mask's own size, learnt from the pictures that the recipe draws."""
    from training.segmentation.loading import found_labels, whole_pairs
    from training.segmentation.reading import read_masks

    data = recipe.dataset
    train = read_masks(data_dir, data.train_split, data)
    labels = found_labels(train, range(len(train)), data.ignore_index)
    features, targets, commonest = _sample(train, recipe, labels)
    models = {**_fitted(features, targets), f"{labels[commonest]} everywhere": commonest}
    matrices = {name: np.zeros((len(labels), len(labels)), dtype=np.int64) for name in models}
    for _, picture, mask in whole_pairs(read_masks(data_dir, "test", data)):
        pixels = _pixels(picture)
        for name, model in models.items():
            matrices[name] += _counted(model, pixels, mask, len(labels), data.ignore_index)
    return {name: _scores(matrix, labels) for name, matrix in matrices.items()}


def _sample(split: Any, recipe: Any, labels: Any) -> tuple[np.ndarray, np.ndarray, int]:
    """Features [SAMPLE, d] and classes of pixels, and the class that most training pixels show."""
    from training.data import thin
    from training.segmentation.loading import load_masks
    from training.spec import ModelSpec

    data = recipe.dataset
    rows = thin(list(range(len(split))), split.strata, data.max_train_images, recipe.seed)
    spec = ModelSpec("pixels", "none", len(labels), tuple(labels), image_size=SIDE)
    loaded = load_masks(split, rows, spec, data.ignore_index)
    features = np.concatenate([_features(one.numpy()) for one in loaded.pixels])
    classes = loaded.masks.numpy().reshape(-1)
    generator = np.random.default_rng(recipe.seed)
    known = np.flatnonzero(classes != data.ignore_index)
    drawn = generator.choice(known, min(SAMPLE, len(known)), replace=False)
    return features[drawn], classes[drawn], int(loaded.counts.sum(axis=0).argmax())


def _fitted(features: np.ndarray, classes: np.ndarray) -> dict[str, Any]:
    """Logistic regression and boosted trees on what is known of a pixel, both as they come but for sizes."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    trees = HistGradientBoostingClassifier(max_iter=60, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        linear.fit(features, classes)
        trees.fit(features, classes)
    return {"logistic regression on pixels": linear, "boosted trees on pixels": trees}


def _pixels(picture: Any) -> np.ndarray:
    from training.segmentation.masks import squeezed

    return _features(squeezed(picture, SIDE, "bilinear"))


def _features(pixels: np.ndarray) -> np.ndarray:
    """Colour, place and the mean colour of two neighbourhoods of a pixel: [3, side, side] → [side², 11]."""
    from scipy.ndimage import uniform_filter

    colours = pixels.astype(np.float32) / 255
    side = colours.shape[-1]
    down, across = np.mgrid[0:side, 0:side].astype(np.float32) / side
    near = [uniform_filter(colours, (0, width, width)) for width in (5, 15)]
    return np.concatenate([colours, *near, down[None], across[None]]).reshape(11, -1).T


def _counted(model: Any, pixels: np.ndarray, mask: np.ndarray, classes: int, ignore: int) -> np.ndarray:
    from PIL import Image

    from training.measures.masks import pixel_confusion

    if isinstance(model, int):
        return pixel_confusion(mask, np.full(mask.shape, model, dtype=np.uint8), classes, ignore)
    told = model.predict(pixels).astype(np.uint8).reshape(SIDE, SIDE)
    large = np.asarray(Image.fromarray(told).resize(mask.shape[::-1], Image.Resampling.NEAREST))
    return pixel_confusion(mask, large, classes, ignore)


def _scores(matrix: np.ndarray, labels: Any) -> Scores:
    from training.measures import masks

    found = dict(zip(labels, masks.per_class_iou(matrix).tolist(), strict=True))
    return {**masks.summary(matrix), **{f"iou {label}": value for label, value in found.items()}}
