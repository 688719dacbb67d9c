"""Measures of tagged sentences: entities as conlleval counts them, and single tags.

`targets` and `predictions` hold one list of tags per sentence: O, or B-, I-, E-, S- and a type. An I- that
follows nothing of its type begins an entity, as conlleval and seqeval's default mode read it, so IOB2, IO and
IOBES all do. Errors are those of `checks`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.errors import UserError
from training.measures.checks import Ints, defined, same_length, some_rows

Sentences = Sequence[Sequence[str]]
# (type, first token, last token)
Entity = tuple[str, int, int]


@dataclass(frozen=True)
class Scores:
    """Fractions; `support`: entities that are truly there. What has nothing below the line is 0."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class EntityReport:
    """`micro` pools all entities; `types` by name, of every type that occurs or is predicted."""

    micro: Scores
    types: dict[str, Scores]

    @property
    def macro_f1(self) -> float:
        """Plain mean of the types' F1, 0 without types."""
        return sum(scores.f1 for scores in self.types.values()) / max(len(self.types), 1)


def entities(tags: Sequence[str]) -> list[Entity]:
    """The entities of one sentence, in order. `UserError` `measure:tag` for what is no tag."""
    found: list[Entity] = []
    start, before, kind_before = 0, "O", ""
    for index, tag in enumerate([*tags, "O"]):
        prefix, kind = _split(tag)
        if before != "O" and (_ends(before, prefix) or kind_before != kind):
            found.append((kind_before, start, index - 1))
        if prefix != "O" and (_begins(before, prefix) or kind_before != kind):
            start = index
        before, kind_before = prefix, kind
    return found


def entity_report(targets: Sentences, predictions: Sentences) -> EntityReport:
    """An entity is right if its type, its first and its last token are."""
    _check(targets, predictions)
    right: Counter[str] = Counter()
    actual: Counter[str] = Counter()
    predicted: Counter[str] = Counter()
    for truth, guess in zip(targets, predictions, strict=True):
        true, told = set(entities(truth)), set(entities(guess))
        right.update(kind for kind, _, _ in true & told)
        actual.update(kind for kind, _, _ in true)
        predicted.update(kind for kind, _, _ in told)
    kinds = sorted(actual.keys() | predicted.keys())
    types = {kind: _scores(right[kind], predicted[kind], actual[kind]) for kind in kinds}
    return EntityReport(_scores(right.total(), predicted.total(), actual.total()), types)


def sentence_counts(targets: Sentences, predictions: Sentences) -> Ints:
    """Entities right, predicted and true of each sentence [sentences, 3]; `f1_of_counts` of resampled rows is
    what a bootstrap asks for.
    """
    _check(targets, predictions)
    found = []
    for truth, guess in zip(targets, predictions, strict=True):
        true, told = set(entities(truth)), set(entities(guess))
        found.append((len(true & told), len(told), len(true)))
    return np.array(found, dtype=np.int64)


def f1_of_counts(counts: Ints) -> float:
    """Micro F1 of the sentences of `sentence_counts`, 0 without entities."""
    right, predicted, actual = (int(total) for total in counts.sum(axis=0))
    return _scores(right, predicted, actual).f1


def token_accuracy(targets: Sentences, predictions: Sentences) -> float:
    """Share of tags told right over all tokens, prefix and type."""
    _check(targets, predictions)
    right = sum(
        sum(a == b for a, b in zip(truth, guess, strict=True))
        for truth, guess in zip(targets, predictions, strict=True)
    )
    return right / sum(map(len, targets))


def summary(targets: Sentences, predictions: Sentences) -> dict[str, float]:
    """The numbers of `entity_report` and the token accuracy, flat."""
    report = entity_report(targets, predictions)
    return defined(
        {
            "precision": report.micro.precision,
            "recall": report.micro.recall,
            "f1": report.micro.f1,
            "macro_f1": report.macro_f1,
            "token_accuracy": token_accuracy(targets, predictions),
        }
    )


def as_io(tag: str) -> str:
    """A bare label ("ZipCode") as an IO tag, for data whose labels have no prefix; O stays O."""
    return "O" if tag == "O" else f"I-{tag}"


def _split(tag: str) -> tuple[str, str]:
    if tag == "O":
        return "O", ""
    if len(tag) > 2 and tag[0] in "BIES" and tag[1] == "-":
        return tag[0], tag[2:]
    text = f"{tag[:60]!r} is not a tag: a tag is O, or B-, I-, E- or S- and a type, like B-PER."
    raise UserError("measure:tag", text)


def _ends(before: str, prefix: str) -> bool:
    return before in "ES" or prefix in "BSO"


def _begins(before: str, prefix: str) -> bool:
    return prefix in "BS" or before in "ESO"


def _check(targets: Sentences, predictions: Sentences) -> None:
    same_length(len(targets), len(predictions), "tagged and predicted sentences")
    for index, (truth, guess) in enumerate(zip(targets, predictions, strict=True), start=1):
        same_length(len(truth), len(guess), f"tags and predicted tags in sentence {index:,}")
    some_rows(sum(map(len, targets)))


def _scores(right: int, predicted: int, actual: int) -> Scores:
    return Scores(
        precision=right / predicted if predicted else 0.0,
        recall=right / actual if actual else 0.0,
        f1=2 * right / (predicted + actual) if predicted + actual else 0.0,
        support=actual,
    )
