"""Measures of generated text against references: exact match and token F1 as SQuAD counts them, perplexity;
BLEU, chrF and ROUGE from their own modules.

`references` hold, per answer, one text or several of which the best counts. Errors are those of `checks`.
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Sequence

from training.errors import UserError
from training.measures.bleu import bleu
from training.measures.chrf import chrf
from training.measures.references import References, paired
from training.measures.rouge import rouge

__all__ = ["bleu", "chrf", "exact_match", "normalize_answer", "perplexity", "rouge", "summary", "token_f1"]

# exp of more than this overflows float64.
MAX_EXPONENT = 709.0


def perplexity(total_nll: float, tokens: int) -> float:
    """exp of the mean negative log likelihood, `total_nll` in nats summed over `tokens`; infinite where that
    overflows. `UserError` `measure:no-rows`, `measure:nan`.
    """
    if tokens < 1:
        raise UserError("measure:no-rows", "There are no tokens to measure.")
    if math.isnan(total_nll):
        raise UserError("measure:nan", "The likelihood of the text is NaN, so there is no perplexity.")
    mean = total_nll / tokens
    return math.exp(mean) if mean < MAX_EXPONENT else math.inf


def normalize_answer(text: str) -> str:
    """Lower case, without ASCII punctuation, English articles and surplus space (SQuAD's own script)."""
    bare = "".join(letter for letter in text.lower() if letter not in _PUNCTUATION)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


_PUNCTUATION = frozenset(string.punctuation)


def exact_match(answers: Sequence[str], references: References) -> float:
    """Share of answers that equal a reference after `normalize_answer` (Rajpurkar et al. 2016)."""
    pairs = paired(answers, references)
    found = [any(normalize_answer(answer) == normalize_answer(one) for one in own) for answer, own in pairs]
    return sum(found) / len(found)


def token_f1(answers: Sequence[str], references: References) -> float:
    """Mean over the answers of the F1 of the words shared with the best reference, from 0 to 1 (SQuAD 2.0:
    where either side has no words, 1 if both have none, else 0).
    """
    pairs = paired(answers, references)
    return sum(max(_word_f1(answer, one) for one in own) for answer, own in pairs) / len(pairs)


def summary(answers: Sequence[str], references: References) -> dict[str, float]:
    """Every number there is; BLEU and chrF from 0 to 100, the others from 0 to 1."""
    return {
        "bleu": bleu(answers, references),
        "chrf": chrf(answers, references),
        **rouge(answers, references),
        "exact_match": exact_match(answers, references),
        "token_f1": token_f1(answers, references),
    }


def _word_f1(answer: str, reference: str) -> float:
    told, wanted = normalize_answer(answer).split(), normalize_answer(reference).split()
    if not told or not wanted:
        return float(told == wanted)
    return 2 * (Counter(told) & Counter(wanted)).total() / (len(told) + len(wanted))
