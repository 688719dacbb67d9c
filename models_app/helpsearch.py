"""Search in the help pages: the parts that hold every word, told with the words around them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from models_app.helpdocs import LINK, MARKS, TITLE, Page, headings_of, pages

_HEADING = re.compile(r"^(#{2,3}) +(.+)$", re.M)
_FENCE = re.compile(r"^```.*?^```", re.M | re.S)
_MAX_QUERY = 100
_MAX_FOUND = 30
_AROUND = 90


@dataclass(frozen=True)
class Hit:
    """A part of a page that holds what was asked for; `before`, `hit`, `after` are the words around it."""

    page: Page
    heading: str
    anchor: str
    before: str
    hit: str
    after: str
    weight: int


@dataclass(frozen=True)
class _Part:
    heading: str
    anchor: str
    text: str


def search_docs(text: str, language: str = "en") -> list[Hit]:
    """The parts that hold every word of `text`, those first that have them in their headings."""
    words = text[:_MAX_QUERY].lower().split()
    if not words:
        return []
    found = [
        _hit(page, part, words)
        for page in pages(language)
        for part in _parts(page.file, page.file.stat().st_mtime_ns)
        if all(word in f"{page.title} {part.heading} {part.text}".lower() for word in words)
    ]
    return sorted(found, key=lambda hit: -hit.weight)[:_MAX_FOUND]


def _hit(page: Page, part: _Part, words: list[str]) -> Hit:
    low = part.text.lower()
    title, heading = page.title.lower(), part.heading.lower()
    weight = sum(8 * (word in title) + 5 * (word in heading) + min(low.count(word), 3) for word in words)
    weight -= 4 * (page.group != "users")
    place = next((low.find(word) for word in words if word in low), -1)
    if place < 0:
        return Hit(page, part.heading, part.anchor, part.text[: 2 * _AROUND], "", "", weight)
    length = next(len(word) for word in words if word in low)
    start, end = max(0, place - _AROUND), place + length
    before = ("… " if start else "") + part.text[start:place]
    after = part.text[end : end + _AROUND] + (" …" if end + _AROUND < len(part.text) else "")
    return Hit(page, part.heading, part.anchor, before, part.text[place:end], after, weight)


@lru_cache(maxsize=512)
def _parts(file: Path, changed: int) -> tuple[_Part, ...]:
    return tuple(_split(file, changed))


def _split(file: Path, changed: int) -> Iterator[_Part]:
    text = TITLE.sub("", file.read_text(encoding="utf-8"), count=1)
    anchors = {heading.title: heading.anchor for heading in headings_of(file, changed)}
    masked = _FENCE.sub(lambda found: " " * len(found[0]), text)  # a comment in a script is no heading
    starts = [(found.start(), MARKS.sub("", found[2]).strip()) for found in _HEADING.finditer(masked)]
    borders = [(0, ""), *starts, (len(text), "")]
    for (start, title), (end, _next) in pairwise(borders):
        body = " ".join(LINK.sub(r"\2", re.sub(r"^#+ .*$|^```\w*$", "", text[start:end], flags=re.M)).split())
        if body or title:
            yield _Part(title, anchors.get(title, ""), MARKS.sub("", body))
