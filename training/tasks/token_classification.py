"""One tag per word: a transformers encoder that tags every token; a word's first token speaks for it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

from training.device import pick_device, reproducible
from training.errors import UserError
from training.losses import make_loss
from training.measures import classification, tokens
from training.recipe import Recipe, TokenData
from training.reporting import Reporter, SilentReporter
from training.tasks.base import Measured, Plan, Prepared, StepResult
from training.text import frozen, predicting, runs
from training.text.batching import IGNORED, TextBatches, TokenFeatures, length_order, tokenize_words
from training.text.reading import Tokens, read_tokens
from training.text.tails import Logits, learner

MAX_TABLE_CLASSES = 200
OUTSIDE = "O"
RESAMPLES = 1000


class TokenClassification:
    """The kind: what `task_kind` answers."""

    pipeline_tag, library, example = "token-classification", "transformers", "12 High Street Leeds"

    def prepare(self, plan: Plan) -> Prepared:
        data = _token_data(plan.recipe)
        split = _read(plan.data_dir, data.train_split, data)
        held = split
        if data.validation_split:
            held = _read(plan.data_dir, data.validation_split, data)
            known = runs.match_labels(split.labels, held, (tag for row in held.tags for tag in row))
            held = replace(held, labels=split.labels, tags=[[known[tag] for tag in row] for row in held.tags])
        # A row has many tags: none of them can be kept in equal shares.
        rows, held_rows = runs.choose_rows(plan, [0] * len(split), None if held is split else len(held))
        runs.require_two(split.labels, {tag for row in rows for tag in split.tags[row]}, "words")
        counts = f"{len(rows):,} sequences to learn from, {len(held_rows):,} to validate"
        plan.reporter.log(f"{counts}, {len(split.labels):,} tags")
        learnt, kept = split.keys(), held.keys()
        runs.tell_duplicates(
            plan,
            [learnt[row] for row in rows],
            [kept[row] for row in held_rows],
            lambda name: _read(plan.data_dir, name, data),
            "sequences",
        )
        model = runs.open_model(plan, split.labels, tokens=True, max_tokens=data.max_tokens)

        def load(part: Tokens, some: list[int], what: str) -> TextBatches:
            few = frozen.ENOUGH_ROWS if plan.recipe.strategy.kind == "head" else None
            return plan.load(
                some, lambda found: _batches(model, part, found, plan.reporter, what), at_most=few
            )

        train = load(split, rows, "training sequences")
        val = load(held, held_rows, "validation sequences") if held_rows else None
        return _prepared(plan, model, train, val)

    def evaluate(
        self, model_dir: Path, data_dir: Path, split: str, *, recipe: Recipe, reporter: Reporter
    ) -> Measured:
        """Tags are matched by name; words behind the cut count as told to be O."""
        model = runs.finished_model(model_dir, tokens=True)
        found = _read(data_dir, split, _token_data(recipe))
        truth = [[found.labels[tag] for tag in row] for row in found.tags]
        present, known = {tag for row in truth for tag in row}, model.encoder.labels
        if present.isdisjoint(known):
            ours, theirs = ", ".join(known[:5]), ", ".join(sorted(present)[:5])
            text = f"The model tells {ours} apart, the split {split!r} holds {theirs}: no tag in common."
            raise UserError("data:labels-mismatch", text[:400])
        with reproducible(0, True):
            logits, flat = predicting.word_logits(model, found.words, pick_device(), reporter)
        runs.tell_cut(reporter, flat, model.max_tokens, "sequences")
        told = [_tags_of(row, len(words), known) for row, words in zip(logits, found.words, strict=True)]
        return _measured(truth, told, flat.lost_words)

    def predict(self, model_dir: Path, given: str) -> list[dict[str, Any]]:
        """`[{word, label, score}]` in order; words are what blanks part, or given as a JSON list."""
        words = _given(given)
        model = runs.finished_model(model_dir, tokens=True)
        found, _ = predicting.word_logits(model, [words], pick_device(), SilentReporter())
        answers: list[dict[str, Any]] = []
        for place, word in enumerate(words):
            if place not in found[0]:
                answers.append({"word": word, "label": None, "score": None})
                continue
            scores = found[0][place].double().softmax(0)
            best = int(scores.argmax())
            answers.append({"word": word, "label": model.encoder.labels[best], "score": float(scores[best])})
        return answers

    def usage(self, repo: str, config: dict[str, Any]) -> str:
        return f"""from transformers import pipeline

tag = pipeline("token-classification", model="{repo}", aggregation_strategy="first")
print(tag("A text."))"""


class TokenTask:
    """Loss, hits and measures count tagged words only, all of them alike."""

    metric, higher_is_better = "f1", True
    counts_hits, is_softmax = True, False

    def __init__(self, labels: list[str], recipe: Recipe) -> None:
        self.labels = labels
        kind = "cross-entropy" if recipe.loss.kind == "auto" else recipe.loss.kind
        self.loss = make_loss(kind, gamma=recipe.loss.gamma, smoothing=recipe.optim.label_smoothing)

    def step(self, learner: nn.Module, inputs: Any, targets: Tensor) -> StepResult:
        logits = learner(inputs)
        counted = targets != IGNORED
        loss, weight = self.loss(logits, targets), counted.sum()
        return StepResult(loss, logits, ((logits.argmax(-1) == targets) & counted).sum(), weight)

    def measure(self, pairs: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
        """loss over all tagged words, f1 of entities, token_accuracy; logits [B, T, tags], targets [B, T]."""
        loss, count = 0.0, 0
        truth: list[list[str]] = []
        told: list[list[str]] = []
        for logits, targets in pairs:
            flat = targets.flatten()
            loss += float(
                F.cross_entropy(logits.float().flatten(0, 1), flat, ignore_index=IGNORED, reduction="sum")
            )
            count += int((flat != IGNORED).sum())
            for guess, true in zip(logits.argmax(-1), targets, strict=True):
                counted = true != IGNORED
                truth.append([self.labels[tag] for tag in true[counted].tolist()])
                told.append([self.labels[tag] for tag in guess[counted].tolist()])
        found = tokens.summary(*as_entities(truth, told))
        return {"loss": loss / max(count, 1), "f1": found["f1"], "token_accuracy": found["token_accuracy"]}


def as_entities(truth: list[list[str]], told: list[list[str]]) -> tuple[list[list[str]], list[list[str]]]:
    """Bare labels ("ZipCode") become IO tags, where neighbours of one label are one entity."""
    if all(_is_tag(tag) for rows in (truth, told) for row in rows for tag in row):
        return truth, told
    bare = [[[tokens.as_io(tag) for tag in row] for row in rows] for rows in (truth, told)]
    return bare[0], bare[1]


def _is_tag(label: str) -> bool:
    return label == OUTSIDE or re.fullmatch(r"[BIES]-.+", label, re.DOTALL) is not None


def _token_data(recipe: Recipe) -> TokenData:
    assert isinstance(recipe.dataset, TokenData)  # the recipe's task decides its class
    return recipe.dataset


def _read(data_dir: Path, split: str, data: TokenData) -> Tokens:
    return read_tokens(data_dir, split, token_column=data.tokens_column, tag_column=data.tags_column)


def _batches(model: runs.Model, split: Tokens, rows: list[int], reporter: Reporter, what: str) -> TextBatches:
    words, tags = [split.words[row] for row in rows], [split.tags[row] for row in rows]
    flat = tokenize_words(model.tokenizer, words, tags, model.max_tokens)
    runs.tell_cut(reporter, flat, model.max_tokens, what)
    return TextBatches(flat, model.tokenizer.pad_token_id)


def _prepared(plan: Plan, model: runs.Model, train: TextBatches, val: TextBatches | None) -> Prepared:
    encoder, recipe = model.encoder, plan.recipe
    network, stages = runs.what_learns(plan, encoder)
    encoder.net.to(plan.device)
    task = TokenTask(encoder.labels, recipe)

    def order(epoch: int) -> Tensor:
        return length_order(train.lengths, recipe.optim.batch_size, recipe.seed, epoch)

    if recipe.strategy.kind == "head":
        plan.reporter.stage("features")
        features = TokenFeatures(frozen.row_features(plan, encoder, train), train.flat)
        rest = TokenFeatures(frozen.row_features(plan, encoder, val), val.flat) if val is not None else None
        return Prepared(
            network, learner(encoder), stages, task, features, rest, plan.device, model.save, order
        )
    net = Logits(encoder.net)
    return Prepared(network, net, stages, task, train, val, plan.device, model.save, order)


def _tags_of(found: dict[int, Tensor], count: int, labels: list[str]) -> list[str]:
    return [labels[int(found[place].argmax())] if place in found else OUTSIDE for place in range(count)]


def _measured(truth: list[list[str]], told: list[list[str]], lost: int) -> Measured:
    """F1 of entities with a bootstrap interval over sequences; the table counts single words."""
    entities = as_entities(truth, told)
    found = {**tokens.summary(*entities), "words_behind_the_cut": float(lost)}
    lo, hi = _interval(*entities)
    true, guess = ([tag for row in rows for tag in row] for rows in (truth, told))
    labels = sorted({*true, *guess})
    tables: dict[str, Any] = {"labels": labels}
    if len(labels) <= MAX_TABLE_CLASSES:
        index_of = {label: index for index, label in enumerate(labels)}
        matrix = classification.confusion_matrix(
            [index_of[tag] for tag in true], [index_of[tag] for tag in guess], len(labels)
        )
        tables["per_class"] = classification.per_class(matrix).rows(labels)
        found["token_macro_f1"] = classification.f1(matrix)
    return Measured(len(truth), "f1", found["f1"], lo, hi, found, tables)


def _interval(truth: list[list[str]], told: list[list[str]]) -> tuple[float, float]:
    """95 % percentile bootstrap of the pooled F1: sequences are drawn, not entities (Efron, 1979)."""
    counts = []
    for true, guess in zip(truth, told, strict=True):
        actual, predicted = set(tokens.entities(true)), set(tokens.entities(guess))
        counts.append((len(actual & predicted), len(actual) + len(predicted)))
    table = np.asarray(counts, dtype=np.int64)
    generator = np.random.default_rng(0)
    scores = []
    for _ in range(RESAMPLES):
        right, both = table[generator.integers(0, len(table), len(table))].sum(axis=0)
        scores.append(2 * right / both if both else 0.0)
    lo, hi = np.quantile(scores, [0.025, 0.975])
    return float(lo), float(hi)


def _given(given: str) -> list[str]:
    words: Sequence[Any] = given.split()
    if given.lstrip().startswith("["):
        try:
            plain = json.loads(given)
        except (ValueError, RecursionError):
            plain = None
        if isinstance(plain, list) and all(isinstance(word, str) and word.strip() for word in plain):
            words = plain
    if not words:
        raise UserError("data:empty-text", "There are no words to tag.")
    return list(words)
