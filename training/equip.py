"""What a recipe adds to a prepared task, whatever the task: another loss, another sampling, mixed batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from training import objectives
from training.batches import Batches
from training.errors import EngineError
from training.losses import Loss, cross_entropy
from training.mixing import mixing_of
from training.recipe import ImageData, Recipe
from training.sampling import balanced_order
from training.tasks.base import Examples, Prepared, StepResult, Task


def equip(prepared: Prepared, recipe: Recipe) -> Prepared:
    """The same with the recipe's `loss`, `sampling` and `dataset.mix`; itself where these are the usual.

    The recipe's own rules see to it that the task can take them. Only `task`, `train` and `order` change.
    """
    changes: dict[str, Any] = {}
    train, task, classes = prepared.train, prepared.task, row_classes(prepared.train)
    if isinstance(recipe.dataset, ImageData) and recipe.dataset.mix != "none":
        data, labels = recipe.dataset, len(task.labels) if classes is not None else None
        assert isinstance(train, Batches)  # what image tasks bring
        changes["train"] = dataclasses.replace(train, mixing=mixing_of(data.mix, data.mix_alpha, labels))
    if task.is_softmax:
        loss = objectives.by_class(recipe, _known(classes), len(task.labels))
        if loss is not None or (changes and classes is not None):
            smoothing = recipe.optim.label_smoothing
            changes["task"] = ByClass(task, loss or (lambda a, b: cross_entropy(a, b, smoothing=smoothing)))
    if recipe.sampling == "balanced":
        known, batch, seed = _known(classes), recipe.optim.batch_size, recipe.seed
        changes["order"] = lambda epoch: balanced_order(known, batch, seed, epoch)
    return dataclasses.replace(prepared, **changes)


def row_classes(train: Examples) -> Tensor | None:
    """The class [n] of each training row, where rows are of one class each."""
    targets = getattr(train, "targets", None)
    if isinstance(targets, Tensor) and targets.dtype == torch.long and targets.ndim == 1:
        return targets
    return None


class ByClass:
    """A task of one class a row with another loss; targets may be shares of classes [B, C].

    Hits count the class of the largest share. Everything else is the task's own.
    """

    is_softmax = False

    def __init__(self, task: Task, loss: Loss) -> None:
        self.task, self.loss = task, loss
        self.labels, self.metric = task.labels, task.metric
        self.higher_is_better, self.counts_hits = task.higher_is_better, task.counts_hits

    def step(self, learner: nn.Module, inputs: Any, targets: Tensor) -> StepResult:
        truth = targets.argmax(1) if targets.is_floating_point() else targets
        # The task knows how its net is to be run; its own loss costs next to nothing.
        found = self.task.step(learner, inputs, truth)
        return dataclasses.replace(found, loss=self.loss(found.output, targets))

    def measure(self, pairs: Iterable[tuple[Any, Any]]) -> dict[str, float]:
        return self.task.measure(pairs)


def _known(classes: Tensor | None) -> Tensor:
    if classes is None:
        raise EngineError("engine:no-classes", "The task did not tell the classes of its training rows.")
    return classes
