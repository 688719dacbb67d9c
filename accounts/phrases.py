"""Sentences made below the pages, in the reader's language.

A refusal is written in English once, with values in it, and programs get it so. A page looks among the
messages of the context `sentence` (hub/sentences.py finds them) for the one it was made from, and says the
translation with the same values; a sentence nobody translated is shown as it is.
"""

from __future__ import annotations

import re
from functools import lru_cache

from django.utils import translation
from django.utils.translation import trans_real

CONTEXT = "sentence"
MAX_CHARACTERS = 2000
_HOLE = re.compile(r"\{(\d+)\}")
_SEPARATOR = "\x04"


def in_words(text: object) -> str:
    """The sentence in the page's language; of several, each by itself where they are not known as one."""
    said = str(text)
    language = translation.get_language() or "en"
    if language.startswith("en") or not said or len(said) > MAX_CHARACTERS:
        return said
    whole = _translated(said, language)
    if whole is not None:
        return whole
    parts = re.split(r"(?<=[.?!:])(\s+)(?=[A-Z'\"`])", said)
    return "".join(_translated(part, language) or part for part in parts)


def _translated(text: str, language: str) -> str | None:
    exact, patterns = _phrases(language)
    if text in exact:
        return exact[text]
    for pattern, words in patterns:
        match = pattern.fullmatch(text)
        if match:
            return _filled(words, match.groups())
    return None


def _filled(words: str, values: tuple[str, ...]) -> str:
    return _HOLE.sub(lambda hole: values[int(hole[1]) - 1], words)


@lru_cache(maxsize=8)
def _phrases(language: str) -> tuple[dict[str, str], list[tuple[re.Pattern[str], str]]]:
    """What is said without holes; and patterns, those that leave least open first."""
    exact, open_ones = {}, []
    for key, words in trans_real.catalog()._catalog.items():  # type: ignore[attr-defined]
        context, mark, sentence = str(key).partition(_SEPARATOR)
        if not mark or context != CONTEXT or not words:
            continue
        if _HOLE.search(sentence):
            open_ones.append((sentence, words))
        else:
            exact[sentence] = words
    open_ones.sort(key=lambda pair: -len(_HOLE.sub("", pair[0])))
    return exact, [(_pattern(sentence), words) for sentence, words in open_ones]


def _pattern(sentence: str) -> re.Pattern[str]:
    pieces = _HOLE.split(sentence)
    # Every second piece is a hole's number; holes are numbered as they come.
    return re.compile("(.+?)".join(re.escape(piece) for piece in pieces[::2]), re.DOTALL)
