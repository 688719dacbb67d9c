"""What a translator has to beat: the source itself, the nearest known text's translation, a dictionary."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

ROUNDS = 8
NOTHING = ""
# Place-holders, mark-up and words with hyphens are one word each.
WORDS = re.compile(r"[\w()%{}<>/\"=-]+|[^\w\s]")


def copied(asked: Sequence[str]) -> list[str]:
    """Every text as it is: names, numbers and place-holders stay what they are."""
    return list(asked)


def remembered(sources: Sequence[str], targets: Sequence[str], asked: Sequence[str]) -> list[str]:
    """A translation memory: the target of the known source that is nearest by TF-IDF of letters, two to
    five at a time within words."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    table = vectors.fit_transform([source.lower() for source in sources])
    near = (vectors.transform([text.lower() for text in asked]) @ table.T).toarray().argmax(1)
    return [targets[place] for place in near]


def looked_up(sources: Sequence[str], targets: Sequence[str], asked: Sequence[str]) -> list[str]:
    """Word by word in the order of the source, by the likeliest translation of IBM's model 1 (Brown et al.
    1993) learned from the pairs. Words that no pair has stay as they are; what mostly answers nothing, goes.
    """
    chances = align(sources, targets)
    best: dict[str, tuple[float, str]] = {}
    for (target, source), chance in chances.items():
        if source != NOTHING and chance > best.get(source, (0.0, ""))[0]:
            best[source] = (chance, target)
    return [
        " ".join(best[word.lower()][1] if word.lower() in best else word for word in WORDS.findall(text))
        for text in asked
    ]


def align(sources: Sequence[str], targets: Sequence[str]) -> dict[tuple[str, str], float]:
    """p(target word | source word) by `ROUNDS` of expectation and maximisation, from equal chances.

    Every source has one more word, `NOTHING`, which takes what stands for no word in it.
    """
    pairs = [
        ([NOTHING, *(word.lower() for word in WORDS.findall(source))], WORDS.findall(target))
        for source, target in zip(sources, targets, strict=True)
    ]
    chances: dict[tuple[str, str], float] = defaultdict(lambda: 1.0)
    for _ in range(ROUNDS):
        counts: dict[tuple[str, str], float] = defaultdict(float)
        totals: dict[str, float] = defaultdict(float)
        for given, found in pairs:
            for target in found:
                share = sum(chances[target, source] for source in given)
                for source in given:
                    part = chances[target, source] / share
                    counts[target, source] += part
                    totals[source] += part
        chances = {key: count / totals[key[1]] for key, count in counts.items()}
    return chances
