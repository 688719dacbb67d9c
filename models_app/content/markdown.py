"""Markdown as people write it in cards, to HTML that cannot run anything, load plug-ins or leave its box."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from html import escape
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.dollarmath.index import math_inline_dollar
from mdit_py_plugins.footnote import footnote_plugin
from mdit_py_plugins.gfm_autolink import gfm_autolink_plugin
from mdit_py_plugins.tasklists import tasklists_plugin
from pygments.token import STANDARD_TYPES

from models_app.content.formulas import Formulas, without_ticks
from models_app.content.highlight import highlight_as
from models_app.content.references import References, link_references

MAX_MARKDOWN_CHARS = 128 * 1024
# Of all its blocks together.
MAX_HIGHLIGHT_CHARS = 32 * 1024
ID_PREFIX = "user-content-"
_CUT = "\n\n*The rest of this document is too long to show here; open the file to read it.*\n"
_TAG_NAMES = """
    a abbr b blockquote br caption code dd del details div dl dt em figcaption figure h1 h2 h3 h4 h5 h6 hr i
    img input ins kbd li mark ol p pre q s samp section small span strike strong sub summary sup table tbody
    td tfoot th thead tr u ul var
"""
_TAGS = set(_TAG_NAMES.split())
_DROPPED_WHOLE = {"script", "style", "template", "title", "textarea", "select", "noscript", "iframe"}
_UNDESCRIBED = re.compile(r"<img (?![^>]*\balt=)")
_ALIGNED = ("div", "h1", "h2", "h3", "h4", "h5", "h6", "img", "p", "table", "td", "th", "tr")
_ATTRIBUTES: dict[str, set[str]] = {
    "*": {"id", "title", "lang", "dir"},
    "a": {"href"},
    "abbr": {"title"},
    "details": {"open"},
    "img": {"src", "alt", "width", "height", "loading"},
    "input": {"checked"},
    "li": {"value"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
}
_CLASSES: dict[str, set[str]] = {
    "span": {"formula-source", *(name for name in STANDARD_TYPES.values() if name)},
    "div": {"highlight", "formula"},
    "li": {"task-list-item", "footnote-item"},
    "ul": {"contains-task-list"},
    "section": {"footnotes"},
    "ol": {"footnotes-list"},
    "sup": {"footnote-ref"},
    "a": {"footnote-backref", "mention"},
    "input": {"task-list-item-checkbox"},
}
_DATA_IMAGE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*", re.IGNORECASE)
_SLUG_DROPS = re.compile(r"[^\w\- ]")


def render_markdown(
    text: str, repo_path: str = "", revision: str = "main", references: References | None = None
) -> str:
    """Sanitised HTML of GitHub-flavoured Markdown: tables, task lists, footnotes, anchors, highlighted code,
    and formulas between dollar signs as MathML.

    `repo_path` is the repo's page (`/alice/net`, `/datasets/alice/digits`): relative links become its `blob`
    pages and relative images its `resolve` files at `revision`; without it they are dropped. `references`
    knows what `@person`, `#12` and `owner/name` lead to. Text beyond 131,072 characters is cut, with a line
    that says so.
    """
    if len(text) > MAX_MARKDOWN_CHARS:
        text = text[:MAX_MARKDOWN_CHARS] + _CUT
    parser = _parser()
    formulas = Formulas()
    env: dict[str, Any] = {"formulas": formulas}
    tokens = parser.parse(text, env)
    _spare_code(tokens)
    if references is not None:
        link_references(tokens, references)
    html = parser.renderer.render(tokens, parser.options, env)
    return formulas.put_back(sanitize_html(html, _rewriter(repo_path, revision)))


def _spare_code(tokens: Sequence[Token]) -> None:
    """Leave code plain once there has been as much of it as is coloured in one document."""
    left = MAX_HIGHLIGHT_CHARS
    for token in tokens:
        if token.type == "fence":
            left -= len(token.content)
            token.info = token.info if left >= 0 else ""


def sanitize_html(html: str, rewrite: Callable[[str, str, str], str | None]) -> str:
    """Keep what a document needs; `rewrite(tag, attribute, value)` gives the value to keep, or None."""
    clean = nh3.clean(
        html,
        tags=_TAGS,
        clean_content_tags=_DROPPED_WHOLE,
        attributes=_allowed_attributes(),
        attribute_filter=rewrite,
        allowed_classes=_CLASSES,
        set_tag_attribute_values={"input": {"type": "checkbox", "disabled": ""}, "img": {"loading": "lazy"}},
        url_schemes={"http", "https", "mailto", "data"},
        link_rel="nofollow noopener noreferrer ugc",
        id_prefix=ID_PREFIX,
    )
    # A picture that nobody described is decoration: without this its address would be read out.
    return _UNDESCRIBED.sub('<img alt="" ', clean)


def summary_of(text: str, limit: int = 300) -> str:
    """The first sentence-like paragraph of a card as plain text, at most `limit` characters."""
    previous = ""
    for token in _parser().parse(text[:20_000]):
        if token.type == "inline" and previous == "paragraph_open":
            parts = [
                child.content if child.type in ("text", "code_inline") else " "
                for child in token.children or []
                if child.type in ("text", "code_inline", "softbreak", "hardbreak")
            ]
            words = " ".join("".join(parts).split())
            if len(words) > 2:
                return words if len(words) <= limit else words[: limit - 1].rstrip() + "…"
        previous = token.type
    return ""


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": True, "highlight": _highlight})
    parser.enable(["table", "strikethrough"])
    parser.use(tasklists_plugin).use(footnote_plugin).use(gfm_autolink_plugin)
    # As money is written ("$5 or $6"), so that cards which knew nothing of formulas stay what they were.
    parser.use(
        dollarmath_plugin, allow_labels=False, allow_space=False, allow_digits=False, double_inline=True
    )
    parser.inline.ruler.at("math_inline", without_ticks(math_inline_dollar(False, False, True)))
    for name in ("math_inline", "math_inline_double", "math_block"):
        parser.add_render_rule(name, _formula)
    parser.core.ruler.push("heading_ids", _heading_ids)
    parser.core.ruler.push("cell_alignment", _cell_alignment)
    return parser


def _heading_ids(state: StateCore) -> None:
    """Ids as GitHub makes them, so that tables of contents written for it work here."""
    seen: dict[str, int] = {}
    for token, inline in zip(state.tokens, state.tokens[1:], strict=False):
        if token.type != "heading_open":
            continue
        words = (child.content for child in inline.children or [] if child.type in ("text", "code_inline"))
        slug = _SLUG_DROPS.sub("", "".join(words).strip().lower()).replace(" ", "-")[:80]
        seen[slug] = seen.get(slug, -1) + 1
        token.attrSet("id", f"{slug}-{seen[slug]}" if seen[slug] else slug)


def _formula(_self: Any, tokens: Sequence[Token], idx: int, _options: Any, env: dict[str, Any]) -> str:
    """A holder for the formula; a document that is only skimmed has nobody to hold it."""
    formulas, token = env.get("formulas"), tokens[idx]
    if formulas is None:
        return escape(token.content)
    held = str(formulas.hold(token.content, block=token.type != "math_inline"))
    return f'<div class="formula">{held}</div>\n' if token.type == "math_block" else held


def _cell_alignment(state: StateCore) -> None:
    """An attribute in place of inline style, which the pages' content security policy forbids."""
    for token in state.tokens:
        if token.type in ("th_open", "td_open") and "style" in token.attrs:
            token.attrSet("align", str(token.attrs.pop("style")).removeprefix("text-align:"))


def _highlight(code: str, language: str, attributes: str) -> str:
    """Spans with Pygments' classes; what is not coloured stays plain."""
    if not language:
        return ""
    return f'<pre><code class="language-{escape(language[:40])}">{highlight_as(code, language)}</code></pre>'


@lru_cache(maxsize=1)
def _allowed_attributes() -> dict[str, set[str]]:
    allowed = {tag: set(names) for tag, names in _ATTRIBUTES.items()}
    for tag in _ALIGNED:
        allowed.setdefault(tag, set()).add("align")
    return allowed


def _rewriter(repo_path: str, revision: str) -> Callable[[str, str, str], str | None]:
    def rewrite(tag: str, attribute: str, value: str) -> str | None:
        if attribute == "href":
            return _link(value, f"{repo_path}/blob/{quote(revision, safe='')}" if repo_path else "")
        if attribute == "src":
            return _image(value, f"{repo_path}/resolve/{quote(revision, safe='')}" if repo_path else "")
        if attribute in ("width", "height"):
            return value if re.fullmatch(r"\d{1,4}%?", value) else None
        return value

    return rewrite


def _link(url: str, base: str) -> str | None:
    url = url.strip()
    if url.startswith("#"):
        return f"#{ID_PREFIX}{url[1:].removeprefix(ID_PREFIX)}"
    scheme = _scheme(url)
    if scheme in ("http", "https", "mailto"):
        return url
    return None if scheme is None or scheme else _inside(url, base)


def _image(url: str, base: str) -> str | None:
    url = url.strip()
    if _DATA_IMAGE.fullmatch(url):
        return url
    scheme = _scheme(url)
    if scheme in ("http", "https"):
        return url
    return None if scheme is None or scheme else _inside(url, base)


def _scheme(url: str) -> str | None:
    """The URL's scheme, empty for relative ones, None for what no browser should be asked to guess at."""
    if any(ch < " " or ch == "\x7f" for ch in url) or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if url.startswith("//"):
        return None
    return parts.scheme.lower()


def _inside(url: str, base: str) -> str | None:
    """A relative or site-rooted URL as an address on this hub; `..` cannot climb out of the repo."""
    if url.startswith("/"):
        return url
    if not base:
        return None
    parts = urlsplit(url)
    path = posixpath.normpath("/" + unquote(parts.path)).lstrip("/")
    query = f"?{quote(parts.query, safe='=&')}" if parts.query else ""
    anchor = f"#{quote(parts.fragment)}" if parts.fragment else ""
    return f"{base}/{quote(path)}{query}{anchor}"
