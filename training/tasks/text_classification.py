"""One class per text, or per pair of texts: a transformers encoder with a classification layer."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.batches import Batches
from training.device import pick_device, reproducible
from training.errors import UserError
from training.losses import make_loss
from training.measures import classification
from training.objectives import by_class
from training.recipe import Recipe, TextData
from training.reporting import Reporter, SilentReporter
from training.sampling import balanced_order
from training.tasks.base import Measured, Plan, Prepared, StepResult
from training.tasks.reports import class_report
from training.text import frozen, predicting, runs
from training.text.batching import TextBatches, length_order, tokenize_texts
from training.text.reading import Texts, read_texts
from training.text.tails import Logits, learner


class TextClassification:
    """The kind: what `task_kind` answers."""

    pipeline_tag, library, example = "text-classification", "transformers", "I would buy it again."

    def prepare(self, plan: Plan) -> Prepared:
        data = _text_data(plan.recipe)
        split = _read(plan.data_dir, data.train_split, data)
        held = split
        if data.validation_split:
            held = _read(plan.data_dir, data.validation_split, data)
            known = runs.match_labels(split.labels, held, held.targets)
            held = replace(held, labels=split.labels, targets=[known[target] for target in held.targets])
        rows, held_rows = runs.choose_rows(plan, split.targets, None if held is split else len(held))
        runs.require_two(split.labels, {split.targets[row] for row in rows}, "texts")
        counts = f"{len(rows):,} texts to learn from, {len(held_rows):,} to validate"
        plan.reporter.log(f"{counts}, {len(split.labels):,} classes")
        learnt, kept = split.keys(), held.keys()
        runs.tell_duplicates(
            plan,
            [learnt[row] for row in rows],
            [kept[row] for row in held_rows],
            lambda name: _read(plan.data_dir, name, data),
            "texts",
        )
        model = runs.open_model(
            plan, split.labels, tokens=False, max_tokens=data.max_tokens, pooling=data.pooling
        )

        def load(part: Texts, some: list[int], what: str) -> TextBatches:
            few = frozen.ENOUGH_ROWS if plan.recipe.strategy.kind == "head" else None
            return plan.load(
                some, lambda found: _batches(model, part, found, plan.reporter, what), at_most=few
            )

        train = load(split, rows, "training texts")
        val = load(held, held_rows, "validation texts") if held_rows else None
        return _prepared(plan, model, train, val)

    def evaluate(
        self, model_dir: Path, data_dir: Path, split: str, *, recipe: Recipe, reporter: Reporter
    ) -> Measured:
        """Classes are matched by name; texts of a class that the model does not know count as wrong."""
        data = _text_data(recipe)
        model = runs.finished_model(model_dir, tokens=False)
        found = _read(data_dir, split, data)
        labels, targets = _known_first(model.encoder.labels, found)
        batches = _batches(model, found, list(range(len(found))), reporter, "texts")
        with reproducible(0, True):
            logits = predicting.class_logits(model, batches, pick_device(), reporter)
        return class_report(logits, np.asarray(targets), labels, len(model.encoder.labels))

    def predict(self, model_dir: Path, given: str) -> list[dict[str, Any]]:
        """`[{label, score}]`, most likely first. A pair is given as JSON: `{"text": …, "text_pair": …}`."""
        text, second = _given(given)
        model = runs.finished_model(model_dir, tokens=False)
        flat = tokenize_texts(model.tokenizer, [text], None if second is None else [second], model.max_tokens)
        batches = TextBatches(flat, model.tokenizer.pad_token_id, torch.zeros(1, dtype=torch.long))
        scores = (
            predicting.class_logits(model, batches, pick_device(), SilentReporter())[0].double().softmax(0)
        )
        order = torch.argsort(scores, descending=True, stable=True).tolist()
        labels = model.encoder.labels
        return [{"label": labels[index], "score": float(scores[index])} for index in order]

    def usage(self, repo: str, config: dict[str, Any]) -> str:
        return f"""from transformers import pipeline

classify = pipeline("text-classification", model="{repo}")
print(classify("A text.", truncation=True))"""


class TextTask:
    """The recipe's loss, smoothing and weights count while learning only: the loss that `measure` tells is
    always plain cross-entropy, so that validation losses of all recipes can be compared."""

    metric, higher_is_better = "accuracy", True
    counts_hits = True

    def __init__(self, labels: list[str], recipe: Recipe, targets: Tensor) -> None:
        own = by_class(recipe, targets, len(labels))
        self.labels, self.is_softmax = labels, own is None
        self.loss = own or make_loss("cross-entropy", smoothing=recipe.optim.label_smoothing)

    def step(self, learner: nn.Module, inputs: Any, targets: Tensor) -> StepResult:
        logits = learner(inputs)
        return StepResult(self.loss(logits, targets), logits, (logits.argmax(1) == targets).sum())

    def measure(self, pairs: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
        """loss, accuracy, macro_f1 from logits [n, classes] and targets [n]."""
        outputs, labels = zip(*pairs, strict=True)
        logits, targets = torch.cat(outputs), torch.cat(labels)
        matrix = classification.confusion_matrix(targets, logits.argmax(1), len(self.labels))
        return {
            "loss": float(F.cross_entropy(logits.float(), targets)),
            "accuracy": float(np.trace(matrix) / len(targets)),
            "macro_f1": classification.f1(matrix),
        }


def _text_data(recipe: Recipe) -> TextData:
    assert isinstance(recipe.dataset, TextData)  # the recipe's task decides its class
    return recipe.dataset


def _read(data_dir: Path, split: str, data: TextData) -> Texts:
    return read_texts(
        data_dir,
        split,
        text_column=data.text_column,
        second_column=data.second_text_column,
        label_column=data.label_column,
    )


def _batches(model: runs.Model, split: Texts, rows: list[int], reporter: Reporter, what: str) -> TextBatches:
    texts = [split.texts[row] for row in rows]
    seconds = None if split.seconds is None else [split.seconds[row] for row in rows]
    flat = tokenize_texts(model.tokenizer, texts, seconds, model.max_tokens)
    runs.tell_cut(reporter, flat, model.max_tokens, what)
    targets = torch.tensor([split.targets[row] for row in rows])
    return TextBatches(flat, model.tokenizer.pad_token_id, targets)


def _prepared(plan: Plan, model: runs.Model, train: TextBatches, val: TextBatches | None) -> Prepared:
    encoder, recipe = model.encoder, plan.recipe
    network, stages = runs.what_learns(plan, encoder)
    encoder.net.to(plan.device)
    assert train.targets is not None
    targets = train.targets
    task = TextTask(encoder.labels, recipe, targets)

    def balanced(epoch: int) -> Tensor:
        return balanced_order(targets, recipe.optim.batch_size, recipe.seed, epoch)

    def by_length(epoch: int) -> Tensor:
        return length_order(train.lengths, recipe.optim.batch_size, recipe.seed, epoch)

    is_balanced = recipe.sampling == "balanced"
    if recipe.strategy.kind == "head":
        plan.reporter.stage("features")
        features = [_features(plan, model, part) for part in (train, val) if part is not None]
        head, rest = learner(encoder), features[1] if val is not None else None
        order = balanced if is_balanced else None
        return Prepared(network, head, stages, task, features[0], rest, plan.device, model.save, order)
    order = balanced if is_balanced else by_length
    net = Logits(encoder.net)
    return Prepared(network, net, stages, task, train, val, plan.device, model.save, order)


def _features(plan: Plan, model: runs.Model, batches: TextBatches) -> Batches:
    assert batches.targets is not None
    return Batches(frozen.row_features(plan, model.encoder, batches), batches.targets, None)


def _known_first(known: list[str], split: Texts) -> tuple[list[str], list[int]]:
    """The model's classes, then those only the split has; and every text's class among them."""
    present = {split.labels[target] for target in split.targets}
    if present.isdisjoint(known):
        ours, theirs = ", ".join(known[:5]), ", ".join(sorted(present)[:5])
        text = f"The model tells {ours} apart, the split {split.name!r} holds {theirs}: no class in common."
        raise UserError("data:labels-mismatch", text[:400])
    labels = known + [label for label in split.labels if label in present and label not in set(known)]
    index_of = {label: index for index, label in enumerate(labels)}
    return labels, [index_of[split.labels[target]] for target in split.targets]


def _given(given: str) -> tuple[str, str | None]:
    if given.lstrip().startswith("{"):
        try:
            plain = json.loads(given)
        except (ValueError, RecursionError):
            plain = None
        if isinstance(plain, dict) and isinstance(plain.get("text"), str):
            second = plain.get("text_pair")
            return plain["text"], second if isinstance(second, str) else None
    if not given.strip():
        raise UserError("data:empty-text", "There is no text to classify.")
    return given, None
