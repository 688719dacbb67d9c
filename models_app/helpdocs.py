"""The help in the site: the repository's own Markdown, in an order to be read in, in two languages.

A page's name is its path below `docs/` without the ending, of `users/` without that word as well:
`admins/queue`, `finetune`. A Chinese page lies at the same place below `docs/zh/`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from models_app.content.markdown import ID_PREFIX, render_markdown

ROOT = Path(settings.BASE_DIR) / "docs"
CHINESE = "zh"
# Group → title, and its pages in the order in which they are read; pages that nobody named follow by name.
GROUPS: dict[str, tuple[object, tuple[str, ...]]] = {
    "users": (
        _("Using the hub"),
        (
            "start",
            "wizard",
            "finding",
            "publish",
            "upload",
            "files",
            "finetune",
            "what-will-it-need",
            "runs",
            "when-a-run-fails",
            "recipes",
            "sharing-recipes",
            "sweeps",
            "leaderboards",
            "judge",
            "licences",
            "talk",
            "people",
            "glossary",
        ),
    ),
    "admins": (_("Running a hub"), ("install", "settings", "workers", "storage")),
    "developers": (_("Building it"), ("house", "tests")),
    "reference": (_("Reference"), ("compatibility", "wire", "hfapi", "results")),
}
TITLE = re.compile(r"^# +(.+)$", re.M)
LINK = re.compile(r"(!?)\[([^\]\n]*)\]\(([^)\s]+)\)")
_EXAMPLE_HUB = re.compile(r"http://(?:127\.0\.0\.1|localhost):8000")
MARKS = re.compile(r"[*_`]")
_PLACEHOLDER = "hf_…"


@dataclass(frozen=True)
class Page:
    """One page of help; `file` is what is read, `language` what that is written in."""

    name: str
    title: str
    group: str
    file: Path
    language: str

    def get_absolute_url(self) -> str:
        return f"/docs/{self.name}"


@dataclass(frozen=True)
class Heading:
    """One entry of a page's list of contents."""

    level: int
    title: str
    anchor: str


def pages(language: str = "en") -> list[Page]:
    """Every page in the order of reading; in Chinese where there is a translation."""
    found: list[Page] = []
    for group, (_title, first) in GROUPS.items():
        folder = ROOT if group == "reference" else ROOT / group
        names = {path.stem for path in folder.glob("*.md")}
        ordered = [name for name in first if name in names] + sorted(names - set(first))
        for name in ordered:
            found.append(_page(group, name, language))
    return found


def find(name: str, language: str = "en") -> Page | None:
    """The page of this name; also of its last word alone, where the first page that has it is meant."""
    known, name = pages(language), name.removeprefix("users/")
    exact = next((page for page in known if page.name == name), None)
    return exact or next((page for page in known if page.name.rpartition("/")[2] == name), None)


def _page(group: str, name: str, language: str) -> Page:
    place = name if group == "reference" else f"{group}/{name}"
    file, written = ROOT / f"{place}.md", "en"
    if language.startswith("zh"):
        own = ROOT / CHINESE / f"{place}.md"
        file, written = (own, "zh-Hans") if own.is_file() else (file, "en")
    return Page(place.removeprefix("users/"), _title_of(file, file.stat().st_mtime_ns), group, file, written)


@lru_cache(maxsize=512)
def _title_of(file: Path, changed: int) -> str:
    found = TITLE.search(file.read_text(encoding="utf-8"))
    return MARKS.sub("", found[1]).strip() if found else file.stem


def render(page: Page, *, token: str = "") -> str:
    """The page as HTML, its examples with this hub's address and, where given, the name of a token."""
    html = _rendered(page.file, page.file.stat().st_mtime_ns, settings.HUB_PUBLIC_URL)
    return html.replace(_PLACEHOLDER, escape(f"<{token}>")) if token else html


@lru_cache(maxsize=256)
def _rendered(file: Path, changed: int, address: str) -> str:
    text = _EXAMPLE_HUB.sub(lambda _found: address, file.read_text(encoding="utf-8"))
    html = render_markdown(_with_links(TITLE.sub("", text, count=1), file))
    return html.replace("<th></th>", "<td></td>")  # an empty corner heads nothing


def headings(page: Page) -> list[Heading]:
    """The list of contents, with the anchors that rendering gives them."""
    return list(headings_of(page.file, page.file.stat().st_mtime_ns))


@lru_cache(maxsize=256)
def headings_of(file: Path, changed: int) -> tuple[Heading, ...]:
    """The same by file; `changed` is when that was written."""
    html = render_markdown(TITLE.sub("", file.read_text(encoding="utf-8"), count=1))
    found = re.findall(r'<h([23]) id="([^"]+)"[^>]*>(.*?)</h', html, re.S)
    return tuple(Heading(int(level), _plain(words), anchor) for level, anchor, words in found)


def _plain(html: str) -> str:
    text = re.sub(r"<[^>]+>", "", html)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&")


def _with_links(text: str, file: Path) -> str:
    """Links between pages as addresses of this site; to files that are no page, as their words alone."""

    def rewritten(found: re.Match[str]) -> str:
        mark, words, target = found.groups()
        if re.match(r"[a-z]+:|/|#", target):
            return found[0]
        path, _hash, anchor = target.partition("#")
        if mark or not path.endswith(".md"):
            return str(words)
        place = _named(file, path)
        if place is None:
            return str(words)
        return f"[{words}](/docs/{place}{'#' + ID_PREFIX + anchor if anchor else ''})"

    return LINK.sub(rewritten, text)


def _named(file: Path, target: str) -> str | None:
    """The name of the page that a relative link leads to; None where it leads out of the help."""
    path = file.parent.joinpath(target).resolve()
    if not path.is_file() or ROOT.resolve() not in path.parents:
        return None
    inner = path.relative_to(ROOT.resolve()).with_suffix("").as_posix().removeprefix(f"{CHINESE}/")
    group = inner.partition("/")[0] if "/" in inner else "reference"
    return inner.removeprefix("users/") if group in GROUPS else None
