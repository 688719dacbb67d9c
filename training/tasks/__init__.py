"""One module per task. The loop asks `task_kind` and knows no more."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from training.errors import UserError
from training.tasks.base import TaskKind

# By name, so that nobody waits for the libraries of a task that they do not run.
TASKS = {
    "multimodal-classification": "training.tasks.multimodal:MultimodalClassification",
    "recommendation": "training.tasks.recommendation:Recommendation",
    "tabular-classification": "training.tasks.tabular:TabularClassification",
    "tabular-regression": "training.tasks.tabular:TabularRegression",
    "image-classification": "training.tasks.image_classification:ImageClassification",
    "image-multilabel": "training.tasks.image_multilabel:ImageMultilabel",
    "image-regression": "training.tasks.image_regression:ImageRegression",
    "semantic-segmentation": "training.tasks.semantic_segmentation:SemanticSegmentation",
    "object-detection": "training.tasks.object_detection:ObjectDetection",
    "text-classification": "training.tasks.text_classification:TextClassification",
    "text-generation": "training.tasks.text_generation:TextGeneration",
    "translation": "training.tasks.translation:Translation",
    "summarization": "training.tasks.translation:Summarization",
    "token-classification": "training.tasks.token_classification:TokenClassification",
    "time-series-forecasting": "training.tasks.forecasting:TimeSeriesForecasting",
}


def task_kind(task: str) -> TaskKind:
    """Raises `UserError` for a task that we cannot train."""
    if task not in TASKS:
        raise UserError("recipe:unknown-task", f"We cannot train the task {task[:60]!r}.")
    module, _, name = TASKS[task].partition(":")
    return cast(TaskKind, getattr(import_module(module), name)())
