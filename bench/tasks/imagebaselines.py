"""What a network has to beat: the commonest answer, and linear models on raw grey pixels or on colours."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

Scores = dict[str, float]
# Linear models read thumbnails: more pixels than pictures would only tell pictures apart by noise.
THUMBNAIL = 24
STRENGTHS = np.logspace(-3, 5, 17)
# Of a colour histogram: so many steps of each channel, of pictures this small.
STEPS, SEEN = 6, 64


def measure(recipe: Any, data: Path) -> dict[str, Scores]:
    """The baselines' scores on the whole test split, learnt from the very pictures that the recipe draws."""
    if recipe.task == "image-multilabel":
        return _of_tags(recipe, data)
    numbers = recipe.task == "image-regression"
    (x, y), (asked, truth) = (_rows(recipe, data, split, numbers=numbers) for split in ("train", "test"))
    return _of_numbers(x, y, asked, truth) if numbers else _of_classes(x, y, asked, truth)


def _rows(recipe: Any, data: Path, split: str, *, numbers: bool) -> tuple[np.ndarray, np.ndarray]:
    """Thumbnails [n, pixels] in 0 to 1, and targets [n]."""
    from training.data import read_split, thin
    from training.images import Geometry
    from training.imagetargets import read_numbers
    from training.pixels import load_pixels

    columns = {"image_column": recipe.dataset.image_column, "label_column": recipe.dataset.label_column}
    found: Any = (read_numbers if numbers else read_split)(data, split, **columns)
    rows = list(range(len(found)))
    if split == "train":
        rows = thin(rows, found.strata, recipe.dataset.max_train_images, recipe.seed)
    pixels = load_pixels(found, rows, Geometry(THUMBNAIL)).numpy()[:, 0]
    targets = np.asarray(found.values if numbers else found.targets)[rows]
    return pixels.reshape(len(rows), -1) / 255, targets


def _of_numbers(x: np.ndarray, y: np.ndarray, asked: np.ndarray, truth: np.ndarray) -> dict[str, Scores]:
    """The mean; ridge regression, its strength by leave-one-out on the training rows."""
    from sklearn.linear_model import RidgeCV

    from training.tasks.image_regression import scores_of

    ridge = RidgeCV(alphas=STRENGTHS).fit(x, y)
    told = {"mean": np.full(len(truth), y.mean()), "ridge regression on pixels": ridge.predict(asked)}
    return {name: scores_of(truth, guess) for name, guess in told.items()}


def _of_classes(x: np.ndarray, y: np.ndarray, asked: np.ndarray, truth: np.ndarray) -> dict[str, Scores]:
    """The commonest class; logistic regression, its strength by three folds of the training rows."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    from training.measures import classification

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        grid = {"C": [0.003, 0.01, 0.03, 0.1, 0.3]}
        search = GridSearchCV(LogisticRegression(max_iter=300), grid, cv=3).fit(x, y)
    told = {
        "majority": np.full(len(truth), np.bincount(y).argmax()),
        "logistic regression on pixels": search.predict(asked),
    }
    found, classes = {}, int(max(y.max(), truth.max())) + 1
    for name, guess in told.items():
        matrix = classification.confusion_matrix(truth, guess, classes)
        accuracy = float(np.trace(matrix) / len(truth))
        found[name] = {"accuracy": accuracy, "macro_f1": classification.f1(matrix)}
    return found


def _of_tags(recipe: Any, data: Path) -> dict[str, Scores]:
    """How often each label is due; logistic regression a label on colours and on pixels, its strength by
    three folds of the training rows."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.multiclass import OneVsRestClassifier

    from training.data import thin
    from training.imagetargets import read_tags, same_tags
    from training.measures import multilabel

    columns = {"image_column": recipe.dataset.image_column, "label_column": recipe.dataset.label_column}
    train = read_tags(data, "train", **columns)
    test = same_tags(read_tags(data, "test", **columns), train)
    chosen = thin(list(range(len(train))), train.strata, recipe.dataset.max_train_images, recipe.seed)
    y, asked = train.flags[chosen], list(range(len(test)))
    told = {"how often each label is due": np.tile(y.mean(axis=0), (len(test), 1))}
    for name, features in (("colours", _colours), ("pixels", _thumbnails)):
        x, given = features(train, chosen), features(test, asked)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = OneVsRestClassifier(LogisticRegression(max_iter=300))
            grid = {"estimator__C": [0.01, 0.1, 1.0, 10.0, 100.0]}
            search = GridSearchCV(model, grid, cv=3, scoring="average_precision").fit(x, y)
        told[f"logistic regression on {name}"] = search.predict_proba(given)
    return {name: multilabel.summary(test.flags, scores) for name, scores in told.items()}


def _colours(split: Any, rows: list[int]) -> np.ndarray:
    """Share of every colour [n, STEPS³], of red, green and blue together."""
    from training.images import Geometry
    from training.pixels import load_pixels

    pixels = load_pixels(split, rows, Geometry(SEEN)).numpy().astype(np.int64) * STEPS // 256
    places = (pixels[:, 0] * STEPS + pixels[:, 1]) * STEPS + pixels[:, 2]
    counts = [np.bincount(one.ravel(), minlength=STEPS**3) for one in places]
    return np.sqrt(np.array(counts) / SEEN**2)


def _thumbnails(split: Any, rows: list[int]) -> np.ndarray:
    """Grey pixels [n, THUMBNAIL²] in 0 to 1."""
    from training.images import Geometry
    from training.pixels import load_pixels

    pixels = load_pixels(split, rows, Geometry(THUMBNAIL)).numpy()
    return pixels.mean(axis=1).reshape(len(rows), -1) / 255
