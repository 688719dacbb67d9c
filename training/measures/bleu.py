"""BLEU (Papineni et al. 2002) by sacreBLEU's defaults: 13a tokens, exponential smoothing, case kept."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from training.measures.checks import Ints
from training.measures.references import References, paired

ORDER = 4

# mteval-v13a.pl, the part for Western languages, as in sacreBLEU.
_RULES = (
    (re.compile(r"([\{-\~\[-\` -\&\(-\+\:-\@\/])"), r" \1 "),
    (re.compile(r"([^0-9])([\.,])"), r"\1 \2 "),
    (re.compile(r"([\.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)
_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))


def bleu(texts: Sequence[str], references: References) -> float:
    """BLEU of the whole corpus, from 0 to 100; counts are pooled, not scores. Errors: `references.paired`.

    A reference longer and one shorter by as much: the shorter counts, as in sacreBLEU. Chinese, Japanese and
    Korean are not cut into words by 13a: use chrF for them.
    """
    return score(row_counts(texts, references).sum(axis=0))


def row_counts(texts: Sequence[str], references: References) -> Ints:
    """What each text adds to `score` [texts, 10]; a resampled corpus is the sum of its rows."""
    return np.array([_counts(text, own) for text, own in paired(texts, references)])


def tokens_13a(text: str) -> list[str]:
    """The words of `text` by mteval-v13a's rules."""
    text = text.rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for entity, letter in _ENTITIES:
        text = text.replace(entity, letter)
    text = f" {text} "
    for pattern, wanted in _RULES:
        text = pattern.sub(wanted, text)
    return text.split()


def _counts(text: str, references: list[str]) -> Ints:
    """Length, closest reference length, then matches and n-grams of each order [2 + 2 × ORDER]."""
    words = tokens_13a(text)
    others = [tokens_13a(reference) for reference in references]
    closest = min((abs(len(words) - len(other)), len(other)) for other in others)[1]
    matches, totals = [], []
    for order in range(1, ORDER + 1):
        own = _ngrams(words, order)
        best: Counter[tuple[str, ...]] = Counter()
        for other in others:
            best |= _ngrams(other, order)
        matches.append((own & best).total())
        totals.append(own.total())
    return np.array([len(words), closest, *matches, *totals], dtype=np.int64)


def score(counts: Ints) -> float:
    """BLEU of summed `row_counts` [10]."""
    length, wanted = (int(count) for count in counts[:2])
    matches, totals = counts[2 : 2 + ORDER], counts[2 + ORDER :]
    # An order of which the texts have no n-grams at all makes BLEU 0, as sacreBLEU has it for a corpus.
    if not matches.any() or not totals.all():
        return 0.0
    smooth, logs = 1.0, 0.0
    for match, total in zip(matches.tolist(), totals.tolist(), strict=True):
        if not match:
            smooth *= 2
        logs += math.log(100 * (match or 1 / smooth) / total)
    brevity = min(1.0, math.exp(1 - wanted / length))
    return brevity * math.exp(logs / ORDER)


def _ngrams(words: list[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[start:] for start in range(order)), strict=False))
