"""What text and token classification have in common: rows, the encoder, what of it learns, its features."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from training.data import set_aside, thin
from training.errors import UserError
from training.featurecache import FeatureKey, cached_features
from training.learning import Network, freeze
from training.recipe import TextData, TokenData
from training.reporting import Reporter
from training.splits import SPLIT_NAMES
from training.tasks.base import Plan
from training.text import encoders
from training.text.basefiles import load_tokenizer, longest_input
from training.text.batching import IGNORED, Flat, TextBatches, tokenize_words
from training.text.encoders import Encoder
from training.text.reading import Texts, Tokens, shared_rows

FORWARD_BATCH = 32
MAX_FEATURE_BYTES = 16 * 1024 * 1024 * 1024


@dataclass(frozen=True)
class Model:
    """An encoder with its tokenizer; inputs are cut at `max_tokens`, the special ones counted."""

    encoder: Encoder
    tokenizer: Any
    max_tokens: int

    def save(self, model_dir: Path) -> None:
        # Whoever truncates in the stock pipeline then truncates where we did.
        self.tokenizer.model_max_length = self.max_tokens
        encoders.save_encoder(self.encoder, self.tokenizer, model_dir)


def choose_rows(plan: Plan, targets: Sequence[int], own_held: int | None) -> tuple[list[int], list[int]]:
    """Rows to learn from and rows to validate on; the latter all `own_held` of a split of their own."""
    data, seed = plan.recipe.dataset, plan.recipe.seed
    assert isinstance(data, TextData | TokenData)
    if own_held is not None:
        rows, held = list(range(len(targets))), list(range(own_held))
    else:
        rows, held = set_aside(targets, data, seed)
    return thin(rows, targets, data.max_train_rows, seed), held


def match_labels(names: Sequence[str], split: Texts | Tokens, used: Iterable[int]) -> list[int]:
    """For every class of `split` its index among `names`, -1 for those that do not occur.

    Raises `UserError` for a class that occurs and that the training split does not have.
    """
    index_of = {label: index for index, label in enumerate(names)}
    for target in sorted(set(used)):
        if split.labels[target] not in index_of:
            stranger = split.labels[target][:60]
            text = f"The split {split.name!r} holds the class {stranger!r}, the training split does not."
            raise UserError("data:unknown-class", text)
    return [index_of.get(label, -1) for label in split.labels]


def require_two(labels: Sequence[str], found: set[int], what: str) -> None:
    """Raises `UserError` `data:one-class` where there is nothing to tell apart."""
    if len(found) < 2:
        only = labels[next(iter(found))][:60]
        text = f"All training {what} are of one class, {only!r}; a classifier needs at least two."
        raise UserError("data:one-class", text)


def tell_duplicates(
    plan: Plan,
    learnt: list[bytes],
    held: list[bytes],
    read: Callable[[str], Texts | Tokens],
    what: str,
) -> None:
    """Log how many held-out rows, and rows of splits kept for testing, are among those learnt from.

    Such rows make a result look better than it is. They are told, not dropped: what a benchmark measures on
    is not ours to change.
    """
    data = plan.recipe.dataset
    log = plan.reporter.log
    inside = len(learnt) - len(set(learnt))
    if inside:
        log(f"{inside:,} of {len(learnt):,} training {what} occur more than once")
    seen = shared_rows(learnt, held)
    if seen:
        log(f"{seen:,} of {len(held):,} validation {what} are among those learnt from too")
    for name in SPLIT_NAMES:
        if name in (data.train_split, data.validation_split):
            continue
        try:
            keys = read(name).keys()
        except UserError:
            # Another task's split, or one without labels: this run does not read it.
            continue
        seen = shared_rows(learnt, keys)
        if seen:
            log(f"{seen:,} of {len(keys):,} {what} of the split {name!r} are among those learnt from too")


def open_model(
    plan: Plan, labels: list[str], *, tokens: bool, max_tokens: int, pooling: str = "auto"
) -> Model:
    """The base model and its tokenizer, which must fit each other."""
    base, recipe = plan.base(), plan.recipe
    encoder = encoders.load_encoder(
        base,
        labels=labels,
        tokens=tokens,
        scratch=recipe.init == "scratch",
        seed=recipe.seed,
        pooling=pooling,
    )
    tokenizer = load_tokenizer(base, for_words=tokens)
    vocabulary, rows = len(tokenizer), encoder.net.get_input_embeddings().num_embeddings
    if vocabulary > rows:
        text = f"The base model's tokenizer has {vocabulary:,} tokens, its embeddings only {rows:,}."
        raise UserError("model:bad-tokenizer", text)
    longest = longest_input(encoder.net.config, tokenizer)
    if max_tokens > longest:
        plan.reporter.log(
            f"The base model takes {longest:,} tokens at most: dataset.max_tokens is cut to it."
        )
    return Model(encoder, tokenizer, min(max_tokens, longest))


def finished_model(model_dir: Path, *, tokens: bool) -> Model:
    """A published model with the length it was trained at."""
    encoder = encoders.load_finished(model_dir, tokens=tokens)
    tokenizer = load_tokenizer(model_dir, for_words=tokens)
    return Model(encoder, tokenizer, longest_input(encoder.net.config, tokenizer))


def tell_cut(reporter: Reporter, flat: Flat, max_tokens: int, what: str) -> None:
    """One line if anything was longer than the model takes or the recipe allows."""
    if flat.cut:
        lost = f", {flat.lost_words:,} words lie behind the cut" if flat.lost_words else ""
        reporter.log(f"{flat.cut:,} of {len(flat):,} {what} were cut at {max_tokens:,} tokens{lost}")


@dataclass
class EncoderParts(Network):
    """`head_names`: all that learns with the head; a new pooler's name does not begin with the head's."""

    head_names: list[str] = field(default_factory=list)


def what_learns(plan: Plan, encoder: Encoder) -> tuple[Network, list[list[str]]]:
    """The network's parts, and the learning parameters by stage; what is new of the tail always learns."""
    names = encoders.head_names(encoder)
    network = EncoderParts(encoder.net, encoder.head, encoders.stages(encoder), names)
    learning = freeze(network, plan.recipe.strategy)
    learning[-1] = names
    parameters = dict(encoder.net.named_parameters())
    for name in learning[-1]:
        parameters[name].requires_grad_(True)
    return network, learning


def in_length_order(batches: TextBatches, size: int = FORWARD_BATCH) -> Iterator[Tensor]:
    """All rows, the shortest first, so that little is padded."""
    yield from torch.from_numpy(np.argsort(batches.lengths, kind="stable").copy()).split(size)


def row_features(plan: Plan, encoder: Encoder, batches: TextBatches) -> Tensor:
    """What enters the learning part of the tail, once for the whole run: float32, a row for every text, or
    for every tagged token in order.
    """
    flat = batches.flat
    wanted = None if flat.tags is None else flat.tags != IGNORED
    n, width = len(flat) if wanted is None else int(wanted.sum()), encoder.net.config.hidden_size
    if n * width * 4 > MAX_FEATURE_BYTES:
        text = (
            "The frozen features would need more than 16 GiB; set dataset.max_train_rows or another strategy."
        )
        raise UserError("data:too-large", text)

    def compute() -> Tensor:
        table = torch.empty(n, width)
        # Where in the table a row's features begin.
        counts = np.ones(len(flat), dtype=np.int64) if wanted is None else _tagged(flat)
        starts = np.concatenate([[0], np.cumsum(counts)])
        encoder.net.eval()
        with encoders.captured(encoder) as features, torch.inference_mode():
            for rows in in_length_order(batches):
                plan.reporter.check()
                inputs, targets = batches.take(rows, plan.device)
                encoder.net(**inputs)
                found = features()
                if wanted is not None:
                    found = found[targets != IGNORED]
                places = np.concatenate([np.arange(starts[row], starts[row + 1]) for row in rows.numpy()])
                table[torch.from_numpy(places)] = found.float().cpu()
        return table

    key = _feature_key(plan, encoder, flat)
    table = cached_features(key, plan.cache_dir, compute)
    if not bool(torch.isfinite(table).all()):
        text = "The base model gives values that are not finite numbers for some of these texts."
        raise UserError("model:not-finite", text)
    return table


def _tagged(flat: Flat) -> np.ndarray:
    assert flat.tags is not None
    return np.diff(np.concatenate([[0], np.cumsum(flat.tags != IGNORED)])[flat.starts])


def _feature_key(plan: Plan, encoder: Encoder, flat: Flat) -> FeatureKey:
    """Named by the frozen modules, the token ids, and which tokens are asked for."""
    names = encoder.tail[: encoder.tail.index(encoders.first_of_tail(encoder))]
    body = nn.ModuleList([encoder.net.base_model, *(encoder.net.get_submodule(name) for name in names)])
    asked = b"" if flat.tags is None else (flat.tags != IGNORED).tobytes()
    types = b"" if flat.types is None else flat.types.tobytes()
    rows = hashlib.sha256(flat.ids.tobytes() + b"|" + flat.starts.tobytes() + b"|" + types + b"|" + asked)
    pooled = getattr(encoder.net.config, "classifier_pooling", encoder.pooling)
    how = {"pooling": encoder.pooling, "setting": pooled}
    return FeatureKey.of(
        body,
        preprocessing=how,
        images=rows.hexdigest(),
        device=plan.device,
        layer=encoders.first_of_tail(encoder),
    )


def class_logits(model: Model, batches: TextBatches, device: torch.device, reporter: Reporter) -> Tensor:
    """fp32 logits [n, classes] on the CPU, in the order of the rows."""
    net = model.encoder.net.to(device).eval()
    found = torch.empty(len(batches), len(model.encoder.labels))
    with torch.inference_mode():
        for rows in in_length_order(batches):
            reporter.check()
            inputs, _ = batches.take(rows, device)
            found[rows] = net(**inputs).logits.float().cpu()
    return found


def word_logits(
    model: Model, words: Sequence[Sequence[str]], device: torch.device, reporter: Reporter
) -> tuple[list[dict[int, Tensor]], Flat]:
    """For every row the logits [classes] of its words by their place; words behind the cut are not there."""
    places = [list(range(len(row))) for row in words]
    flat = tokenize_words(model.tokenizer, words, places, model.max_tokens)
    batches = TextBatches(flat, model.tokenizer.pad_token_id)
    net = model.encoder.net.to(device).eval()
    found: list[dict[int, Tensor]] = [{} for _ in words]
    with torch.inference_mode():
        for rows in in_length_order(batches):
            reporter.check()
            inputs, targets = batches.take(rows, device)
            logits = net(**inputs).logits.float().cpu()
            for index, row in enumerate(rows.tolist()):
                here = targets[index].cpu()
                for place in (here != IGNORED).nonzero()[:, 0].tolist():
                    found[row][int(here[place])] = logits[index, place]
    return found, flat
