"""What text and token classification have in common: rows, the encoder, what of it learns, its features."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.data import set_aside, thin
from training.errors import UserError
from training.learning import Network, freeze
from training.recipe import TextData, TokenData
from training.reporting import Reporter
from training.splits import SPLIT_NAMES
from training.tasks.base import Plan
from training.text import encoders
from training.text.basefiles import load_tokenizer, longest_input
from training.text.batching import Flat
from training.text.encoders import Encoder
from training.text.reading import Texts, Tokens, shared_rows


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
