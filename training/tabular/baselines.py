"""What a net on a table must beat: the mean or majority, a linear model, gradient boosting.

All of them see the net's own training rows, through the net's own encoder (so that no row is read otherwise),
and are measured on the same rows in the same units. Trees do not care about the quantile map, which is
monotone; the linear models get categories one-hot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from training.measures import classification
from training.tabular.encoding import Encoder
from training.tabular.judging import number_measures
from training.tabular.rows import TableRows
from training.tabular.targets import NumberTarget, Target

# scikit-learn's own limit for the categories of a column it splits as such.
MAX_TREE_CATEGORIES = 255
PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0)
# (learning rate, trees, leaves).
BOOSTERS = tuple(product((0.1, 0.05), (100, 400), (31, 63)))


@dataclass(frozen=True)
class Rows:
    """Encoded rows and what is known of them: `targets` as the net learns them."""

    encoder: Encoder
    target: Target
    train: TableRows
    val: TableRows

    @property
    def is_number(self) -> bool:
        return isinstance(self.target, NumberTarget)

    @property
    def classes(self) -> int:
        return 0 if isinstance(self.target, NumberTarget) else len(self.target.classes)


Predict = Callable[[TableRows], np.ndarray]
Fit = Callable[[Rows, int], Predict]


def constant(rows: Rows, seed: int = 0) -> Predict:
    """The mean on the learned scale, or every class by its share."""
    goals = rows.train.targets.numpy()
    if rows.is_number:
        return lambda given: np.full(len(given), goals.mean())
    shares = np.bincount(goals, minlength=rows.classes) / len(goals)
    return lambda given: np.tile(shares, (len(given), 1))


def linear(rows: Rows, seed: int = 0) -> Predict:
    """Ridge, or logistic regression; the penalty is chosen on the validation rows."""
    from sklearn.linear_model import LogisticRegression, Ridge

    def make(penalty: float) -> Any:
        return Ridge(alpha=penalty) if rows.is_number else LogisticRegression(C=1 / penalty, max_iter=500)

    def inputs(given: TableRows) -> np.ndarray:
        return _one_hot(given, rows.encoder)

    return _best(rows, [make(penalty) for penalty in PENALTIES], inputs)


def boosting(rows: Rows, seed: int = 0) -> Predict:
    """scikit-learn's histogram gradient boosting with its defaults."""
    return _best(rows, [_booster(rows, seed)], _tree_inputs)


def tuned_boosting(rows: Rows, seed: int = 0) -> Predict:
    """The best of eight settings (rate, trees, leaves) on the validation rows."""
    models = [
        _booster(rows, seed, learning_rate=rate, max_iter=trees, max_leaf_nodes=leaves, early_stopping=False)
        for rate, trees, leaves in BOOSTERS
    ]
    return _best(rows, models, _tree_inputs)


BASELINES: dict[str, Fit] = {
    "constant": constant,
    "linear": linear,
    "gradient boosting": boosting,
    "gradient boosting, tuned": tuned_boosting,
}


def measure(target: Target, given: TableRows, found: np.ndarray) -> dict[str, float]:
    """The task's measures of a baseline's answers: learned-scale numbers [n], or shares [n, classes]."""
    import torch

    if isinstance(target, NumberTarget):
        truth = target.restore(given.targets)
        return number_measures(target, truth, target.restore(torch.from_numpy(found)))
    return classification.summary(given.targets.numpy(), found / found.sum(1, keepdims=True))


def _best(rows: Rows, models: list[Any], inputs: Callable[[TableRows], np.ndarray]) -> Predict:
    """Fit all of them; the one with the least squared error or log loss on the validation rows."""
    train, goals = inputs(rows.train), rows.train.targets.numpy()
    fitted = [model.fit(train, goals) for model in models]
    if len(fitted) > 1:
        val, truth = inputs(rows.val), rows.val.targets.numpy()
        losses = [_loss(rows, model, val, truth) for model in fitted]
        fitted = [fitted[int(np.argmin(losses))]]
    return lambda given: _answers(rows, fitted[0], inputs(given))


def _loss(rows: Rows, model: Any, inputs: np.ndarray, truth: np.ndarray) -> float:
    found = _answers(rows, model, inputs)
    if rows.is_number:
        return float(((found - truth) ** 2).mean())
    return float(-np.log(np.clip(found[np.arange(len(truth)), truth], 1e-12, 1)).mean())


def _answers(rows: Rows, model: Any, inputs: np.ndarray) -> np.ndarray:
    if rows.is_number:
        return np.asarray(model.predict(inputs), dtype=np.float64)
    # A class without training rows has no column in scikit-learn's answer.
    shares = np.zeros((len(inputs), rows.classes))
    shares[:, model.classes_] = model.predict_proba(inputs)
    return shares


def _booster(rows: Rows, seed: int, **settings: Any) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    first = rows.encoder.numbers
    few = [index for index, size in enumerate(rows.encoder.sizes) if size <= MAX_TREE_CATEGORIES]
    kind = HistGradientBoostingRegressor if rows.is_number else HistGradientBoostingClassifier
    columns = [first + index for index in few]
    return kind(categorical_features=columns, random_state=seed, **settings)


def _tree_inputs(given: TableRows) -> np.ndarray:
    return np.concatenate([given.numbers.numpy(), given.places.numpy()], 1)


def _one_hot(given: TableRows, encoder: Encoder) -> np.ndarray:
    parts = [given.numbers.numpy()]
    for column, size in enumerate(encoder.sizes):
        parts.append(np.eye(size, dtype=np.float32)[given.places[:, column].numpy()])
    return np.concatenate(parts, 1)
