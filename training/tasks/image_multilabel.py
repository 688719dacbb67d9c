"""Any number of labels per image: a sigmoid and binary cross-entropy for each."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from training.errors import UserError
from training.evaluate import outputs_on
from training.imageruns import ImageRun
from training.imagetargets import Tags, read_tags, same_tags
from training.imageusage import usage_of
from training.losses import Loss
from training.measures import multilabel
from training.measures.intervals import bootstrap
from training.model import load_network
from training.objectives import by_label
from training.predict import Predictor
from training.recipe import Recipe, TagImageData
from training.reporting import Reporter
from training.spec import TAGS
from training.tasks.base import Measured, Plan, Prepared, StepResult

RESAMPLES = 1000
THRESHOLD = 0.5
MAX_TABLE_LABELS = 200


class ImageMultilabel:
    """The kind. The hub's pipeline tag is that of one class an image; the data set tells the difference."""

    pipeline_tag, library, example = "image-classification", "timm", "photo.png"

    def prepare(self, plan: Plan) -> Prepared:
        run = ImageRun(plan, lambda name: _read(plan.data_dir, name, plan.recipe), same_tags)
        labels = run.split.labels
        learnt = _tensor(run.split, run.rows)
        _check_labels(learnt)
        run.tell(f"{len(labels)} labels, {float(learnt.sum(1).mean()):.2f} an image")
        return run.prepared(TagTask(labels, by_label(plan.recipe, learnt)), _tensor, labels, problem=TAGS)

    def evaluate(
        self, model_dir: Path, data_dir: Path, split: str, *, recipe: Recipe, reporter: Reporter
    ) -> Measured:
        """Macro F1 at 0.5 with its bootstrap interval, and all the other measures.

        Labels are matched by name; one that the model does not know counts as never told. If it knows none
        of the split's: `UserError` `data:labels-mismatch`.
        """
        network = load_network(model_dir, TAGS)
        found = _read(data_dir, split, recipe)
        labels, truth = _match_labels(list(network.spec.labels), found)
        scores = torch.sigmoid(outputs_on(network, found, reporter).double()).numpy()
        told = np.zeros(truth.shape)
        told[:, : scores.shape[1]] = scores
        reporter.check()
        interval = bootstrap(macro_f1_of, truth, told >= THRESHOLD, resamples=RESAMPLES, batched=True)
        measures = multilabel.summary(truth, told, THRESHOLD)
        tables: dict[str, Any] = {"labels": labels}
        if len(labels) <= MAX_TABLE_LABELS:
            each = multilabel.per_label_f1(truth, told >= THRESHOLD).tolist()
            tables["per_label_f1"] = dict(zip(labels, each, strict=True))
        return Measured(
            len(found), "macro_f1", measures["macro_f1"], interval.lo, interval.hi, measures, tables
        )

    def predict(self, model_dir: Path, given: str) -> list[dict[str, Any]]:
        """`[{label, score}]` of all labels, most likely first; those from 0.5 on are what the model tells."""
        predictor = Predictor(model_dir, TAGS)
        scores = torch.sigmoid(predictor.outputs(Path(given)).double())
        order = torch.argsort(scores, descending=True, stable=True).tolist()
        return [{"label": predictor.spec.labels[index], "score": float(scores[index])} for index in order]

    def usage(self, repo: str, config: dict[str, Any]) -> str:
        return usage_of(repo, config) + "\n# The probability of each label: net(images).sigmoid()"


class TagTask:
    """Outputs and targets [B, labels]. `loss` counts while learning only: what `measure` tells is always
    plain binary cross-entropy, so that validation losses of all recipes can be compared.
    """

    metric, higher_is_better = "macro_f1", True
    counts_hits = is_softmax = False

    def __init__(self, labels: list[str], loss: Loss) -> None:
        self.labels, self.loss = labels, loss

    def step(self, learner: nn.Module, inputs: Tensor, targets: Tensor) -> StepResult:
        logits = learner(inputs)
        return StepResult(self.loss(logits, targets), logits)

    def measure(self, pairs: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
        """loss, and the measures of `multilabel.summary` at 0.5."""
        outputs, targets = zip(*pairs, strict=True)
        logits, truth = torch.cat(outputs).double(), torch.cat(targets).double()
        loss = float(F.binary_cross_entropy_with_logits(logits, truth))
        if not np.isfinite(loss):
            return {"loss": loss, "macro_f1": loss}
        return {"loss": loss, **multilabel.summary(truth.numpy(), logits.sigmoid().numpy(), THRESHOLD)}


def macro_f1_of(truth: NDArray[Any], told: NDArray[Any]) -> NDArray[np.float64]:
    """Macro F1 [...] of 0 and 1 [..., n, labels]: `multilabel.f1` without its checks, many draws at once."""
    both = (truth & told).sum(axis=-2)
    either = truth.sum(axis=-2, dtype=np.int64) + told.sum(axis=-2)
    found: NDArray[np.float64] = np.divide(2 * both, either, out=np.zeros(both.shape), where=either > 0)
    return found.mean(axis=-1)


def _tensor(split: Tags, rows: list[int]) -> Tensor:
    """0 and 1 as fp32 [rows, labels]: a batch may blend them."""
    return torch.from_numpy(split.flags[rows]).float()


def _read(data_dir: Path, name: str, recipe: Recipe) -> Tags:
    data = recipe.dataset
    assert isinstance(data, TagImageData)  # the recipe's task decides its class
    return read_tags(
        data_dir,
        name,
        image_column=data.image_column,
        label_column=data.label_column,
        label_columns=data.label_columns,
    )


def _check_labels(flags: Tensor) -> None:
    """`UserError` where no two training images differ in their labels."""
    if not bool(flags.any()):
        raise UserError("data:no-labels", "No training image has a label.")
    if bool((flags == flags[0]).all()):
        text = "All training images have the same labels; there is nothing to tell apart."
        raise UserError("data:constant-target", text)


def _match_labels(known: list[str], split: Tags) -> tuple[list[str], NDArray[np.bool_]]:
    """The model's labels, then those that only the split has; and which of them each row has."""
    present = {split.labels[index] for index in np.flatnonzero(split.flags.sum(axis=0))}
    if not set(split.labels) & set(known):
        ours, theirs = ", ".join(known[:5]), ", ".join(split.labels[:5])
        text = f"The model knows the labels {ours}, the split {split.name!r} holds {theirs}: none in common."
        raise UserError("data:labels-mismatch", text[:400])
    names = set(known)
    labels = known + [label for label in split.labels if label in present and label not in names]
    truth = np.zeros((len(split), len(labels)), dtype=np.bool_)
    place = {label: index for index, label in enumerate(labels)}
    for index, label in enumerate(split.labels):
        if label in place:
            truth[:, place[label]] = split.flags[:, index] > 0
    return labels, truth
