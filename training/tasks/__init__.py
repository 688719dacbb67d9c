"""One file per pipeline tag. The loop asks `make_task` and knows no more."""

from __future__ import annotations

from training.errors import UserError
from training.tasks.base import Task
from training.tasks.image_classification import ImageClassification

TASKS = {"image-classification": ImageClassification}


def make_task(pipeline_tag: str, labels: list[str], label_smoothing: float = 0.0) -> Task:
    """Raises `UserError` for a pipeline tag that we cannot train."""
    if pipeline_tag not in TASKS:
        raise UserError("recipe:unknown-task", f"We cannot train the task {pipeline_tag[:60]!r}.")
    return TASKS[pipeline_tag](labels, label_smoothing)
