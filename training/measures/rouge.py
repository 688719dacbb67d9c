"""ROUGE-1, ROUGE-2 and ROUGE-L (Lin 2004) as Google's rouge-score computes them, without stemming."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from training.measures.checks import Floats
from training.measures.references import References, paired

_OTHER = re.compile(r"[^a-z0-9]+")


def rouge(
    texts: Sequence[str], references: References, words: Callable[[str], list[str]] | None = None
) -> dict[str, float]:
    """`rouge1`, `rouge2` and `rougeL`: F1 from 0 to 1, mean over the texts, the best reference counting.

    `words`: how a text becomes words; by default rouge-score's way, which knows a-z and 0-9 only and finds
    nothing in other scripts. Errors: `references.paired`.
    """
    means = row_scores(texts, references, words).mean(axis=0)
    return dict(zip(("rouge1", "rouge2", "rougeL"), means.tolist(), strict=True))


def row_scores(
    texts: Sequence[str], references: References, words: Callable[[str], list[str]] | None = None
) -> Floats:
    """The three scores of each text [texts, 3], of which `rouge` is the mean."""
    split = words or ascii_words
    found = []
    for text, own in paired(texts, references):
        told = split(text)
        rows = [_scores(told, split(one)) for one in own]
        found.append([max(column) for column in zip(*rows, strict=True)])
    return np.array(found)


def ascii_words(text: str) -> list[str]:
    """Runs of a-z and 0-9 of the text in lower case."""
    return _OTHER.sub(" ", text.lower()).split()


def common_length(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence, a machine word of the table at a time (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for index, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << index
    every = (1 << len(first)) - 1
    row = every
    for word in second:
        match = row & places.get(word, 0)
        row = ((row + match) | (row - match)) & every
    return len(first) - row.bit_count()


def _scores(told: list[str], wanted: list[str]) -> tuple[float, float, float]:
    longest = _f1(common_length(told, wanted), len(told), len(wanted))
    return _overlap_f1(told, wanted, 1), _overlap_f1(told, wanted, 2), longest


def _overlap_f1(told: list[str], wanted: list[str], order: int) -> float:
    first = Counter(zip(*(told[start:] for start in range(order)), strict=False))
    second = Counter(zip(*(wanted[start:] for start in range(order)), strict=False))
    return _f1((first & second).total(), first.total(), second.total())


def _f1(shared: int, told: int, wanted: int) -> float:
    return 2 * shared / (told + wanted) if told and wanted else 0.0
