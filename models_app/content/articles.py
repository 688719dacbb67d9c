"""What an article's HTML is made of: its contents list, its embeds, what it links to, how long it takes to
read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import unescape

from models_app.content.card_facts import texts

MAX_EMBEDS = 20
MAX_LINKS = 50
WORDS_A_MINUTE = 220
SIGNS_A_MINUTE = 400  # of scripts without spaces
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_ID = r"[\w.-]{1,96}/[\w.-]{1,96}"
_EMBED = re.compile(
    rf"<p>\{{\{{ *(?:(run) +({_UUID})|(board|model|recipe|dataset) +({_ID})) *\}}\}}</p>", re.ASCII
)
_HEADING = re.compile(r'<h([1-4])\b[^>]*\bid="([^"]+)"[^>]*>(.*?)</h\1>', re.DOTALL)
_TAGS = re.compile(r"<[^>]*>")
_HREF = re.compile(r'href="([^"#?]+)')
_ADDRESS = re.compile(rf"/(?:(datasets|recipes|leaderboards|tutorials)/)?({_ID})(?:/.*)?", re.ASCII)
_RUN = re.compile(rf"(?:.*/runs/)?({_UUID})(?:/.*)?", re.ASCII)
_KINDS = {"": "model", "datasets": "dataset", "leaderboards": "dataset", "recipes": "recipe"}
_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


@dataclass(frozen=True)
class Part:
    """A piece of HTML, or (`kind` is no `html`) something to be put there when it is shown."""

    kind: str
    value: str


@dataclass(frozen=True)
class Heading:
    """A line of the contents list."""

    level: int
    anchor: str
    text: str


@dataclass
class Links:
    """What an article is about: ids by kind of repo, and runs."""

    repos: dict[str, list[str]] = field(default_factory=lambda: {"model": [], "dataset": [], "recipe": []})
    runs: list[str] = field(default_factory=list)


def parts_of(html: str) -> list[Part]:
    """The article cut at its embeds, each a paragraph of its own: `{{ run … }}`, `{{ board a/b }}`."""
    parts: list[Part] = []
    at = 0
    for found in list(_EMBED.finditer(html))[:MAX_EMBEDS]:
        parts.append(Part("html", html[at : found.start()]))
        parts.append(Part(found[1] or found[3], found[2] or found[4]))
        at = found.end()
    parts.append(Part("html", html[at:]))
    return [part for part in parts if part.value.strip()]


def headings_of(html: str) -> list[Heading]:
    """The headings with their anchors, as plain text; the level counted from the highest there is."""
    found = [
        Heading(int(level), anchor, unescape(_TAGS.sub("", inside)).strip())
        for level, anchor, inside in _HEADING.findall(html)
    ]
    top = min((heading.level for heading in found), default=1)
    return [Heading(one.level - top + 1, one.anchor, one.text) for one in found if one.level - top < 3]


def minutes_to_read(html: str) -> int:
    """Whole minutes, at least one."""
    text = unescape(_TAGS.sub(" ", html))
    wide = len(_WIDE.findall(text))
    return max(1, round(len(_WIDE.sub(" ", text).split()) / WORDS_A_MINUTE + wide / SIGNS_A_MINUTE))


def links_of(metadata: dict[str, object], html: str, site: str) -> Links:
    """What the card lists, then what the text links to or embeds."""
    links = Links()
    for kind in links.repos:
        links.repos[kind] += [name for name in texts(metadata.get(f"{kind}s")) if re.fullmatch(_ID, name)]
    links.runs += [found[1] for text in texts(metadata.get("runs")) if (found := _RUN.fullmatch(text))]
    _add_text(links, html, site)
    for kind, names in links.repos.items():
        links.repos[kind] = _once(names)
    links.runs = _once(links.runs)
    return links


def _add_text(links: Links, html: str, site: str) -> None:
    for part in parts_of(html):
        if part.kind == "run":
            links.runs.append(part.value)
        elif part.kind != "html":
            links.repos["dataset" if part.kind == "board" else part.kind].append(part.value)
    for address in _HREF.findall(html)[: MAX_LINKS * 10]:
        path = unescape(address).removeprefix(site)
        if not path.startswith("/"):
            continue
        if path.startswith("/runs/"):
            if run := _RUN.fullmatch(path):
                links.runs.append(run[1])
        elif (page := _ADDRESS.fullmatch(path)) and (page[1] or "") in _KINDS:
            links.repos[_KINDS[page[1] or ""]].append(page[2])


def _once(values: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(values))[:MAX_LINKS]
