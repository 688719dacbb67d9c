"""Words of a page that a reader sees or hears, and where they stand; not what people wrote themselves."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

# What somebody wrote, or what is the same in every language: cards, code, names, versions, formulas.
_QUIET_TAGS = {
    "code",
    "pre",
    "kbd",
    "samp",
    "script",
    "style",
    "math",
    "textarea",
    "svg",
    "noscript",
    "template",
}
_QUIET_CLASSES = {
  "about", "brand", "crumbs", "diff", "help-turn", "highlight", "lead", "log", "mono", "name", "ns",
    "prose", "tag", "title", "toc",
}  # fmt: skip
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
_SPOKEN = ("aria-label", "title", "placeholder", "alt")
_WORD = re.compile(r"[A-Za-z][a-z]{2,}")


@dataclass
class Words(HTMLParser):
    """Collects `found`: (text, place) of every piece of text and spoken attribute outside of quiet places."""

    found: list[tuple[str, str]] = field(default_factory=list)
    _open: list[tuple[str, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Go into an element; what it says aloud counts unless it is quiet."""
        named = {name: value or "" for name, value in attrs}
        classes = set(named.get("class", "").split())
        quiet = self._is_quiet or tag in _QUIET_TAGS or bool(classes & _QUIET_CLASSES)
        quiet = quiet or named.get("translate") == "no" or ("lang" in named and tag != "html")
        # A choice whose words are its value: a name of the recipe's format.
        quiet = quiet or (tag == "option" and bool(re.fullmatch(r"[a-z0-9]+", named.get("value", ""))))
        if not quiet:
            self.found += [(named[name], f"{tag} {name}") for name in _SPOKEN if named.get(name)]
            if tag == "input" and named.get("type") in ("submit", "button"):
                self.found.append((named.get("value", ""), "input value"))
        if tag not in _VOID:
            self._open.append((tag, quiet))

    def handle_endtag(self, tag: str) -> None:
        """Leave the element, and whatever in it was never closed."""
        if any(name == tag for name, _ in self._open):
            while self._open.pop()[0] != tag:
                pass

    def handle_data(self, data: str) -> None:
        """Text between tags."""
        if data.strip() and not self._is_quiet:
            self.found.append((" ".join(data.split()), " > ".join(tag for tag, _ in self._open[-3:])))

    @property
    def _is_quiet(self) -> bool:
        return bool(self._open) and self._open[-1][1]


def foreign_words(html: str, known: frozenset[str]) -> list[tuple[str, str]]:
    """(text, place) of what holds lower-case English words that are not `known` (lower-case)."""
    reader = Words()
    reader.feed(html)
    return [
        (text, place)
        for text, place in reader.found
        if any(word.lower() not in known for word in _WORD.findall(_without_names(text)))
    ]


def _without_names(text: str) -> str:
    """Without ids of repos, paths, addresses, e-mail addresses, dates with zones, file names and hashes."""
    text = re.sub(r"https?://\S+|\S+@\S+", " ", text)
    text = re.sub(r"[\w.-]*/[\w./-]+|\{[^{}]*\}", " ", text)
    text = re.sub(r"\w+(?:[.:_-]\w+)+:?|\.[a-z]\w+", " ", text, flags=re.ASCII)
    return re.sub(r"\b[0-9a-f]{7,64}\b", " ", text)
