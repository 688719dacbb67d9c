"""Labels of runs: few, short, and of letters that every client prints as they are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from runs.models import Run, RunLabel
from training.recipe import Problem

MAX_LABELS = 32
_KEY = re.compile(r"[A-Za-z0-9._-]{1,100}")
_VALUE = re.compile(r"[A-Za-z0-9._-]{0,100}")


def label_problems(labels: Mapping[str, str]) -> Iterator[Problem]:
    """What is wrong with these labels; an empty value is a label that only is there."""
    if len(labels) > MAX_LABELS:
        yield Problem("labels", f"A run has at most {MAX_LABELS} labels.")
        return
    for key, value in labels.items():
        if not _KEY.fullmatch(key) or not _VALUE.fullmatch(value):
            letters = "letters, digits, '-', '_' and '.', at most 100 on each side"
            yield Problem("labels", f"The label {key[:40]!r} must be made of {letters}.")


def put_labels(run: Run, labels: Mapping[str, str]) -> None:
    """Write labels that have been looked at; inside the caller's transaction."""
    RunLabel.objects.bulk_create([RunLabel(run=run, key=key, value=value) for key, value in labels.items()])


def labels_of(run: Run) -> dict[str, str]:
    """The run's labels in the order they were put."""
    return {row.key: row.value for row in run.label_rows.all()}
