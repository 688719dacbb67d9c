"""Measure a finished model: fp32 and a fixed batch size, so that the same files give the same number."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training import metrics
from training.batches import EVAL_BATCH, normalize
from training.data import Split, read_split
from training.device import pick_device, reproducible
from training.errors import UserError
from training.measures.drawings import reliability_of
from training.model import Network, load_network
from training.pixels import Pictures, pixel_chunks
from training.reporting import Reporter, SilentReporter


@dataclass(frozen=True)
class EvalReport:
    """Fractions from 0 to 1. `confusion[truth][prediction]` counts images, both in order of `labels`; `lo`
    and `hi` bound the accuracy's 95 % Wilson interval.
    """

    n: int
    accuracy: float
    macro_f1: float
    per_class_recall: dict[str, float]
    confusion: list[list[int]]
    labels: list[str]
    lo: float
    hi: float
    # Bins of confidence, where the split has no class that the model does not know.
    reliability: dict[str, Any] | None = None
    told: tuple[NDArray[Any], NDArray[Any]] | None = field(default=None, compare=False)

    @property
    def metric(self) -> str:
        return "accuracy"

    @property
    def value(self) -> float:
        return self.accuracy

    def as_dict(self) -> dict[str, Any]:
        plain = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        del plain["told"]
        if self.reliability is None:
            del plain["reliability"]
        return {"metric": self.metric, "value": self.value, **plain}


def evaluate(
    model_dir: Path,
    data_dir: Path,
    split: str,
    *,
    image_column: str = "image",
    label_column: str = "label",
    reporter: Reporter | None = None,
    batch_size: int = EVAL_BATCH,
) -> EvalReport:
    """Accuracy and its kin of `model_dir` on every image of `split`.

    Classes are matched by name. Images of a class the model does not know count as wrong; if it knows
    none of them: `UserError` `data:labels-mismatch`. Raises `UserError` for unusable files too, and what
    `reporter.check` raises.
    """
    reporter = reporter or SilentReporter()
    network = load_network(model_dir)
    found = read_split(data_dir, split, image_column=image_column, label_column=label_column)
    labels, targets = _match_labels(network, found)
    outputs = outputs_on(network, found, reporter, batch_size)
    predictions = outputs.argmax(1).tolist()
    matrix = metrics.confusion_matrix(targets, predictions, len(labels))
    correct = sum(row[index] for index, row in enumerate(matrix))
    lo, hi = metrics.wilson(correct, len(targets))
    return EvalReport(
        n=len(targets),
        accuracy=metrics.accuracy(matrix),
        macro_f1=metrics.macro_f1(matrix),
        per_class_recall=metrics.per_class_recall(matrix, labels),
        confusion=matrix,
        labels=labels,
        lo=lo,
        hi=hi,
        reliability=_reliability(outputs, targets),
        told=(np.array(targets), np.array(predictions)),
    )


def _reliability(outputs: Tensor, targets: list[int]) -> dict[str, Any] | None:
    known = max(targets) < outputs.shape[1]
    return reliability_of(outputs.double().softmax(1).numpy(), targets) if known else None


def _match_labels(network: Network, split: Split) -> tuple[list[str], list[int]]:
    """The model's classes, then those only the split has; and every image's class among them."""
    known = list(network.spec.labels)
    if not known:
        text = "The model's config.json names no labels, so its answers cannot be compared with the data set."
        raise UserError("model:no-labels", text)
    present = {split.labels[target] for target in split.targets}
    if present.isdisjoint(known):
        ours, theirs = ", ".join(known[:5]), ", ".join(sorted(present)[:5])
        text = f"The model tells {ours} apart, the split {split.name!r} holds {theirs}: no class in common."
        raise UserError("data:labels-mismatch", text[:400])
    names = set(known)
    labels = known + [label for label in split.labels if label in present and label not in names]
    index_of = {label: index for index, label in enumerate(labels)}
    return labels, [index_of[split.labels[target]] for target in split.targets]


def outputs_on(network: Network, split: Pictures, reporter: Reporter, batch_size: int = EVAL_BATCH) -> Tensor:
    """What the network says of every image of the split: fp32 [n, outputs] on the CPU, in order.

    Raises `UserError` `model:not-finite` for NaN and infinity, and what `reporter.check` raises.
    """
    device = pick_device()
    net = network.to(device).net
    found: list[Tensor] = []
    with reproducible(0, True), torch.inference_mode():
        for pixels in pixel_chunks(split, range(len(split)), network.spec.geometry):
            for batch in pixels.split(batch_size):
                reporter.check()
                images = normalize(batch.to(device).float().div_(255), network.spec)
                found.append(net(images).float().cpu())
    outputs = torch.cat(found)
    finite = outputs.isfinite().all(dim=1)
    if not bool(finite.all()):
        where = split.rows.where(int(finite.int().argmin()))
        raise UserError("model:not-finite", f"The model gives NaN or infinity for the image {where}.")
    return outputs
