"""chrF (Popović 2015): F of character n-grams up to 6, recall counting twice, as sacreBLEU computes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from training.measures.checks import Ints
from training.measures.references import References, paired

ORDER = 6
BETA_SQUARED = 4


def chrf(texts: Sequence[str], references: References) -> float:
    """chrF2 of the whole corpus, from 0 to 100: counts are pooled, white space is dropped, case is kept; of
    several references the one that scores best counts. Errors: `references.paired`.
    """
    return score(row_counts(texts, references).sum(axis=0))


def row_counts(texts: Sequence[str], references: References) -> Ints:
    """What each text adds to `score` [texts, 6, 3]; a resampled corpus is the sum of its rows."""
    return np.array([_best(text, own) for text, own in paired(texts, references)])


def score(counts: Ints) -> float:
    """chrF of summed `row_counts` [6, 3]."""
    return 100 * _f(counts)


def _best(text: str, references: list[str]) -> Ints:
    grams = _ngrams(text)
    found = [_counts(grams, _ngrams(reference)) for reference in references]
    return max(found, key=_f)


def _counts(text: list[Counter[str]], reference: list[Counter[str]]) -> Ints:
    """N-grams of the text, of the reference, and shared, of each order [ORDER, 3]."""
    return np.array(
        [
            (own.total() if other else 0, other.total(), (own & other).total())
            for own, other in zip(text, reference, strict=True)
        ],
        dtype=np.int64,
    )


def _f(counts: Ints) -> float:
    """F of the mean precision and the mean recall over the orders that both sides have."""
    known = counts[(counts[:, 0] > 0) & (counts[:, 1] > 0)]
    if not known[:, 2].any():
        return 0.0
    precision = float((known[:, 2] / known[:, 0]).mean())
    recall = float((known[:, 2] / known[:, 1]).mean())
    return (1 + BETA_SQUARED) * precision * recall / (BETA_SQUARED * precision + recall)


def _ngrams(text: str) -> list[Counter[str]]:
    letters = "".join(text.split())
    return [
        Counter(letters[start : start + order] for start in range(len(letters) - order + 1))
        for order in range(1, ORDER + 1)
    ]
