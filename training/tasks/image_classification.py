"""One class per image: softmax cross-entropy."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training import metrics
from training.data import Split, read_split
from training.errors import UserError
from training.evaluate import EvalReport, evaluate
from training.imageruns import ImageRun, image_data
from training.imagetargets import same_classes
from training.imageusage import usage_of
from training.predict import predict
from training.recipe import Recipe
from training.reporting import Reporter
from training.tasks.base import Plan, Prepared, StepResult


class ImageClassification:
    """The kind: what `task_kind` answers."""

    pipeline_tag, library, example = "image-classification", "timm", "photo.png"

    def prepare(self, plan: Plan) -> Prepared:
        data = image_data(plan.recipe)
        columns = {"image_column": data.image_column, "label_column": data.label_column}
        run = ImageRun(plan, lambda name: read_split(plan.data_dir, name, **columns), same_classes)
        labels = run.split.labels
        _check_classes(run.split, run.rows)
        run.tell(f"{len(labels)} classes")
        return run.prepared(SoftmaxTask(labels, plan.recipe.optim.label_smoothing), class_targets, labels)

    def evaluate(
        self, model_dir: Path, data_dir: Path, split: str, *, recipe: Recipe, reporter: Reporter
    ) -> EvalReport:
        data = image_data(recipe)
        return evaluate(
            model_dir,
            data_dir,
            split,
            image_column=data.image_column,
            label_column=data.label_column,
            reporter=reporter,
        )

    def predict(self, model_dir: Path, given: str) -> list[dict[str, Any]]:
        return predict(model_dir, Path(given))

    def usage(self, repo: str, config: dict[str, Any]) -> str:
        return usage_of(repo, config)


def class_targets(split: Split, rows: list[int]) -> Tensor:
    """Class indices [rows]."""
    return torch.tensor([split.targets[row] for row in rows])


def _check_classes(split: Split, rows: list[int]) -> None:
    found = {split.targets[row] for row in rows}
    if len(found) < 2:
        only = split.labels[next(iter(found))][:60]
        text = f"All training images are of one class, {only!r}; a classifier needs at least two."
        raise UserError("data:one-class", text)


class SoftmaxTask:
    """Label smoothing counts while learning only: validation losses of all recipes can be compared."""

    metric, higher_is_better = "accuracy", True
    counts_hits = is_softmax = True

    def __init__(self, labels: list[str], label_smoothing: float = 0.0) -> None:
        self.labels = labels
        self.label_smoothing = label_smoothing

    def step(self, learner: nn.Module, inputs: Tensor, targets: Tensor) -> StepResult:
        logits = learner(inputs)
        loss = F.cross_entropy(logits.float(), targets, label_smoothing=self.label_smoothing)
        return StepResult(loss, logits, (logits.argmax(1) == targets).sum())

    def measure(self, pairs: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
        """loss, accuracy, macro_f1 from logits [n, classes] and targets [n]."""
        outputs, labels = zip(*pairs, strict=True)
        logits, targets = torch.cat(outputs), torch.cat(labels)
        predictions = logits.argmax(1).tolist()
        matrix = metrics.confusion_matrix(targets.tolist(), predictions, len(self.labels))
        return {
            "loss": float(F.cross_entropy(logits.float(), targets)),
            "accuracy": metrics.accuracy(matrix),
            "macro_f1": metrics.macro_f1(matrix),
        }
