"""One class per image: softmax cross-entropy."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training import metrics
from training.evaluate import EvalReport, evaluate
from training.imageruns import ImageRun, usage_of
from training.predict import predict
from training.recipe import ImageData, Recipe
from training.reporting import Reporter
from training.tasks.base import Plan, Prepared, StepResult


class ImageClassification:
    """The kind: what `task_kind` answers."""

    pipeline_tag, library, example = "image-classification", "timm", "photo.png"

    def prepare(self, plan: Plan) -> Prepared:
        run = ImageRun(plan)
        return run.prepared(SoftmaxTask(run.split.labels, plan.recipe.optim.label_smoothing))

    def evaluate(
        self, model_dir: Path, data_dir: Path, split: str, *, recipe: Recipe, reporter: Reporter
    ) -> EvalReport:
        data = recipe.dataset
        assert isinstance(data, ImageData)
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
