"""What text names without a link: `@person`, `#12`, `owner/name`, and addresses of the hub itself.

Which of them are there is the caller's to say; here they are found, and made links.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markdown_it.token import Token

# Of one text; what comes after stays plain.
MAX_REFERENCES = 100
_NAME = r"[A-Za-z0-9_](?:[\w.-]{0,94}[A-Za-z0-9_])?"
_PERSON = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,40}[A-Za-z0-9])?"
_KINDS = "datasets|spaces|kernels|recipes|tutorials"
MENTION = re.compile(rf"(?<![\w/@.`-])@({_PERSON})", re.ASCII)
NUMBER = re.compile(r"#([1-9][0-9]{0,8})", re.ASCII)
REPO = re.compile(rf"(?:({_KINDS})/)?({_PERSON}/{_NAME})(?:#([1-9][0-9]{{0,8}}))?", re.ASCII)
_ANY = re.compile(
    rf"(?<![\w/@.&#:-])(?:@{_PERSON}(?![\w/])|#[1-9][0-9]{{0,8}}(?!\w)"
    rf"|(?:(?:{_KINDS})/)?{_PERSON}/{_NAME}(?:#[1-9][0-9]{{0,8}})?(?![\w/]))",
    re.ASCII,
)
_PAGE = re.compile(
    rf"/(?:(?:{_KINDS})/)?({_PERSON}/{_NAME})(?:/discussions/([1-9][0-9]{{0,8}}))?(?:#[\w-]*)?", re.ASCII
)
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)


@dataclass(frozen=True)
class References:
    """`resolve` gives the addresses of those texts that name something; `site` is the hub's own address."""

    resolve: Callable[[list[str]], Mapping[str, str]]
    site: str = ""


def names_mentioned(text: str) -> list[str]:
    """The names behind `@` in a comment, each once, as written; code mentions nobody."""
    found = MENTION.findall(_CODE.sub(" ", text))
    return list(dict.fromkeys(found))[:MAX_REFERENCES]


def link_references(tokens: Sequence[Token], references: References) -> None:
    """Make links, in place, of what the text names and `resolve` knows; code and links stay as they are."""
    inlines = [token for token in tokens if token.type == "inline" and token.children]
    plain = [child for token in inlines for child in _plain_texts(token.children or [])]
    wanted = list(dict.fromkeys(found for child in plain for found in _ANY.findall(child.content)))
    known = references.resolve(wanted[:MAX_REFERENCES]) if wanted else {}
    chosen = {id(child) for child in plain}
    for token in inlines:
        if references.site:
            _shorten(token.children or [], references.site)
        if known:
            token.children = [
                made
                for child in token.children or []
                for made in (_split(child, known) if id(child) in chosen else [child])
            ]


def _plain_texts(children: Sequence[Token]) -> list[Token]:
    """Text outside links, also those written as HTML."""
    depth, found = 0, []
    for child in children:
        html = child.content[:3].lower() if child.type == "html_inline" else ""
        if child.type == "link_open" or html.startswith("<a"):
            depth += 1
        elif child.type == "link_close" or html == "</a":
            depth = max(0, depth - 1)
        elif child.type == "text" and not depth:
            found.append(child)
    return found


def _split(text: Token, known: Mapping[str, str]) -> list[Token]:
    pieces: list[Token] = []
    at = 0
    for found in _ANY.finditer(text.content):
        address = known.get(found[0])
        if address is None:
            continue
        if found.start() > at:
            pieces.append(_text(text.content[at : found.start()], text.level))
        pieces += _link(found[0], address, text.level)
        at = found.end()
    if at < len(text.content):
        pieces.append(_text(text.content[at:], text.level))
    return pieces


def _text(content: str, level: int) -> Token:
    return Token("text", "", 0, content=content, level=level)


def _link(label: str, address: str, level: int) -> list[Token]:
    attrs: dict[str, str | int | float] = {"href": address}
    if label.startswith("@"):
        attrs["class"] = "mention"
    opened = Token("link_open", "a", 1, attrs=attrs, level=level, markup="reference")
    return [opened, _text(label, level + 1), Token("link_close", "a", -1, level=level, markup="reference")]


def _shorten(children: Sequence[Token], site: str) -> None:
    """`http://hub/datasets/ann/digits/discussions/3` as it stands in text becomes `ann/digits#3`."""
    for opened, label in pairwise(children):
        href = str(opened.attrs.get("href", "")) if opened.type == "link_open" else ""
        if not href.startswith(f"{site}/") or label.type != "text" or label.content != href:
            continue
        page = _PAGE.fullmatch(href.removeprefix(site))
        if page is not None:
            label.content = f"{page[1]}#{page[2]}" if page[2] else page[1]
