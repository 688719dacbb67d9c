"""Chinese, Japanese and Korean text for indexes that know three letters in a row: its pairs of characters.

Words of these languages have two characters as often as not, and no spaces between them. Each pair of a text
is written behind it as a word of ASCII letters, which every index takes alike.
"""

from __future__ import annotations

import itertools
import re

_RUN = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]{2,}")
# Of one text so many characters are paired.
_MOST = 4000


def pairs_of(text: str) -> list[str]:
    """The pairs of the text, each once: 手写 is `q624b5199q`."""
    found: dict[str, None] = {}
    for run in _RUN.findall(text[:_MOST]):
        found.update((f"q{ord(one):04x}{ord(two):04x}q", None) for one, two in itertools.pairwise(run))
    return list(found)


def with_pairs(text: str) -> str:
    """The text with its pairs behind it."""
    pairs = pairs_of(text)
    return f"{text}\n{' '.join(pairs)}" if pairs else text


def terms_of(words: list[str]) -> tuple[list[str], list[str]]:
    """What an index is asked for, and words too short for it that are only found by reading.

    A word of two Chinese characters is its pair; a longer one must be there itself, too.
    """
    terms: list[str] = []
    short: list[str] = []
    for word in words:
        pairs = pairs_of(word)
        terms += [*pairs, word] if len(word) >= 3 else pairs
        if len(word) < 3 and not pairs:
            short.append(word)
    return list(dict.fromkeys(terms)), short
