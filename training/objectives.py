"""The loss that a recipe asks for, once the training rows are known."""

from __future__ import annotations

import torch
from torch import Tensor

from training import sampling
from training.losses import Loss, make_loss
from training.recipe import Recipe


def by_class(recipe: Recipe, targets: Tensor, classes: int) -> Loss | None:
    """The loss of one class a row; targets [n] are the training rows' own. None: plain cross-entropy."""
    kind = "cross-entropy" if recipe.loss.kind == "auto" else recipe.loss.kind
    weights = class_weights(recipe.loss.class_weights, targets, classes)
    if kind == "cross-entropy" and weights is None:
        return None
    return make_loss(kind, gamma=recipe.loss.gamma, smoothing=recipe.optim.label_smoothing, weights=weights)


def by_label(recipe: Recipe, targets: Tensor) -> Loss:
    """The loss of labels that hold or do not; targets 0 or 1 [n, labels] are the training rows' own."""
    loss, weights = recipe.loss, None
    if loss.class_weights != "none":
        weights = sampling.positive_weights(targets.sum(0), len(targets))
    if loss.kind == "focal":
        # Lin et al.'s alpha says the same as weights of classes would.
        return make_loss(
            "binary-focal", gamma=loss.gamma, weights=weights, alpha=0.25 if weights is None else None
        )
    return make_loss("binary-cross-entropy", smoothing=recipe.optim.label_smoothing, weights=weights)


def of_numbers(recipe: Recipe, default: str = "mse") -> Loss:
    """The loss of numbers, in the units in which they are learned; where the data set names quantiles of the
    number, the output has a column for each."""
    levels = quantile_levels(recipe)
    if levels:
        return make_loss("quantile", levels=levels)
    return make_loss(default if recipe.loss.kind == "auto" else recipe.loss.kind, delta=recipe.loss.delta)


def quantile_levels(recipe: Recipe) -> tuple[float, ...]:
    """What a number's net tells in place of the number, rising; empty where it tells the number itself."""
    return getattr(recipe.dataset, "quantiles", None) or ()


def class_weights(kind: str, targets: Tensor, classes: int) -> Tensor | None:
    """Weights [classes] from how often each class is among `targets` [n]; None for `none`."""
    if kind == "none":
        return None
    counts = torch.bincount(targets, minlength=classes)
    return {"balanced": sampling.balanced_weights, "effective": sampling.effective_weights}[kind](counts)
