"""Exact leave-one-out on cached features: every row predicted by a ridge head that has not seen it.

For a linear smoother ŷ = Hy the residual without row i is (yᵢ - ŷᵢ) / (1 - Hᵢᵢ) (Allen 1974, PRESS; Hastie et
al., The Elements of Statistical Learning, 7.10), so that n refits cost one decomposition. The head is a ridge
regression with a free intercept; classes are learned as one column of 0 and 1 each.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training.device import pick_device, reproducible
from training.equip import row_classes
from training.errors import UserError
from training.measures import classification, regression
from training.recipe import Recipe
from training.reporting import Reporter
from training.tasks import task_kind
from training.tasks.base import Plan

# Penalties tried, in units of the mean squared length of a centred feature row.
PENALTIES = tuple(10.0**power for power in np.arange(-6.0, 2.5, 0.5))
MAX_CELLS = 400_000_000
# A row whose leverage is all of itself cannot be left out: nothing else tells of it.
MOST_LEVERAGE = 1 - 1e-9


@dataclass(frozen=True)
class LeftOut:
    """`predictions` [n, outputs] of every row by a head without it, with the best `penalty` of all tried."""

    predictions: np.ndarray
    penalty: float


def leave_one_out(features: np.ndarray, goals: np.ndarray) -> LeftOut:
    """Predictions of `goals` [n, outputs] from `features` [n, d]; the penalty has the least squared error.

    Raises `UserError` for fewer than three rows and for more than 400 million numbers.
    """
    n = len(features)
    if n < 3:
        raise UserError("data:too-few-rows", f"Leaving one out needs three rows at least, there are {n}.")
    if features.size > MAX_CELLS:
        text = f"{n:,} rows of {features.shape[1]:,} features are too many to leave out one by one."
        raise UserError("data:too-large", text)
    centred = features.astype(np.float64) - features.mean(0, dtype=np.float64)
    # Without a row its own mean moves too: 1/n in the leverage is the intercept's share.
    left, scale, _ = np.linalg.svd(centred, full_matrices=False)
    turned = left.T @ (goals - goals.mean(0))
    unit = float((scale**2).sum()) / n
    best: LeftOut | None = None
    least = np.inf
    for factor in PENALTIES:
        penalty = factor * unit if unit else factor
        shrink = scale**2 / (scale**2 + penalty)
        fitted = goals.mean(0) + left @ (shrink[:, None] * turned)
        leverage = np.minimum(1 / n + (left**2) @ shrink, MOST_LEVERAGE)
        predictions = goals - (goals - fitted) / (1 - leverage)[:, None]
        error = float(((goals - predictions) ** 2).mean())
        if error < least:
            best, least = LeftOut(predictions, penalty), error
    if best is None:
        raise UserError("model:not-finite", "The features are not finite numbers.")
    return best


def leave_one_out_of(
    recipe: Recipe, *, base_dir: Path | None, data_dir: Path, out: Path, reporter: Reporter
) -> dict[str, float]:
    """The numbers of a ridge head on the frozen features of `recipe`, every training row left out once.

    Raises `UserError` where the recipe does not learn a head on cached features.
    """
    device = pick_device()
    with reproducible(recipe.seed, recipe.deterministic):
        plan = Plan(recipe, base_dir, data_dir, out, out / "features", device, reporter)
        prepared = task_kind(recipe.task).prepare(plan)
    parts = [part for part in (prepared.train, prepared.val) if part is not None]
    inputs = [getattr(part, "inputs", None) for part in parts]
    if recipe.strategy.kind != "head" or not all(_is_table(item) for item in inputs):
        text = "study.leave_one_out needs strategy.kind head on frozen features, without augmentation."
        raise UserError("recipe:no-features", text)
    features = torch.cat([item for item in inputs if item is not None]).cpu().numpy()
    if all(row_classes(part) is not None for part in parts):
        return _of_classes(features, torch.cat([_targets(part) for part in parts]), prepared.task.labels)
    return _of_numbers(features, torch.cat([_targets(part) for part in parts]))


def _of_classes(features: np.ndarray, targets: Tensor, labels: list[str]) -> dict[str, float]:
    truth = targets.cpu().numpy()
    goals = np.eye(len(labels))[truth]
    found = leave_one_out(features, goals)
    guessed = found.predictions.argmax(1)
    matrix = classification.confusion_matrix(truth, guessed, len(labels))
    return {
        "accuracy": float(classification.accuracy(truth, guessed)),
        "macro_f1": float(classification.f1(matrix)),
        "penalty": found.penalty,
    }


def _of_numbers(features: np.ndarray, targets: Tensor) -> dict[str, float]:
    truth = targets.cpu().numpy().astype(np.float64).reshape(len(targets), -1)
    found = leave_one_out(features, truth)
    return {
        "rmse": float(regression.rmse(truth.ravel(), found.predictions.ravel())),
        "r2": float(regression.r2(truth.ravel(), found.predictions.ravel())),
        "penalty": found.penalty,
    }


def _is_table(inputs: Any) -> bool:
    return isinstance(inputs, Tensor) and inputs.ndim == 2 and inputs.is_floating_point()


def _targets(part: Any) -> Tensor:
    targets: Tensor = part.targets
    return targets
