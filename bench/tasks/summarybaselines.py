"""What a writer of subject lines has to beat: first words, the central sentence, the line of a like mail."""

from __future__ import annotations

import re
from collections.abc import Sequence

ENDS = re.compile(r"(?<=[.!?:])\s+|\n\s*\n")
# Less is a greeting.
MIN_WORDS = 4
LENGTHS = range(3, 16)


def sentences(text: str) -> list[str]:
    """Sentences of at least `MIN_WORDS` words; the whole text where there are none."""
    found = [" ".join(one.split()) for one in ENDS.split(text)]
    return [one for one in found if len(one.split()) >= MIN_WORDS] or [" ".join(text.split())]


def first_words(text: str, count: int) -> str:
    return " ".join(text.split()[:count])


def lead(texts: Sequence[str], count: int) -> list[str]:
    """The first words of the first sentence."""
    return [first_words(sentences(text)[0], count) for text in texts]


def central(known: Sequence[str], texts: Sequence[str], count: int) -> list[str]:
    """The first words of the sentence that is nearest its own mail by TF-IDF, weighed by the known mails."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectors = TfidfVectorizer(sublinear_tf=True, stop_words="english").fit(known)
    found = []
    for text in texts:
        own = sentences(text)
        near = (vectors.transform(own) @ vectors.transform([text]).T).toarray()[:, 0]
        found.append(first_words(own[near.argmax()], count))
    return found


def nearest(known: Sequence[str], subjects: Sequence[str], texts: Sequence[str]) -> list[str]:
    """The subject of the known mail that is nearest by TF-IDF of words and pairs of words."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectors = TfidfVectorizer(sublinear_tf=True, stop_words="english", ngram_range=(1, 2))
    table = vectors.fit_transform(known)
    places = (vectors.transform(texts) @ table.T).toarray().argmax(1)
    return [subjects[place] for place in places]


def best_length(texts: Sequence[str], subjects: Sequence[str]) -> int:
    """With how many first words `lead` has the best ROUGE-L: to be asked of training mails."""
    from training.measures.text import rouge

    return max(LENGTHS, key=lambda count: rouge(lead(texts, count), subjects)["rougeL"])
