"""Formulas in Markdown: LaTeX to MathML, written by us alone, so that no other MathML ever reaches a page.

A formula leaves a holder in the HTML that is sanitised, and takes its place afterwards. Only an element can
be a holder: its quotes would have been escaped inside an attribute, where MathML could break out.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from functools import lru_cache
from html import escape, unescape
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert_to_element
from markdown_it.rules_inline import StateInline

Rule = Callable[[StateInline, bool], bool]

MAX_FORMULA_CHARS = 2000
# Of all formulas of one document; beyond it they stay as they were written.
MAX_DOCUMENT_CHARS = 20_000
MAX_DEPTH = 60
_TAG_NAMES = """
    math menclose merror mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts mroot mrow ms mspace
    msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder munderover
"""
_TAGS = frozenset(_TAG_NAMES.split())
_ATTRIBUTE_NAMES = """
    accent accentunder columnalign columnlines columnspacing columnspan depth display displaystyle fence form
    height largeop linethickness lspace mathbackground mathcolor mathsize mathvariant maxsize minsize
    movablelimits notation rowalign rowlines rowspacing rowspan rspace scriptlevel separator stretchy
    symmetric voffset width
"""
_ATTRIBUTES = frozenset(_ATTRIBUTE_NAMES.split())
_VALUE = re.compile(r"[\w#%.+\- ]{0,60}", re.ASCII)


def without_ticks(rule: Rule) -> Rule:
    """The rule for formulas in a line, but none with a backtick: between prices it would swallow code."""

    def ruled(state: StateInline, silent: bool) -> bool:
        at, known = state.pos, len(state.tokens)
        if not rule(state, silent):
            return False
        if "`" not in state.src[at : state.pos]:
            return True
        state.pos = at
        del state.tokens[known:]
        return False

    return ruled


class Formulas:
    """The formulas of one document on their way past the sanitiser."""

    def __init__(self) -> None:
        self._name = f"formula-{secrets.token_hex(12)}"
        self._held: list[str] = []
        self._left = MAX_DOCUMENT_CHARS

    def hold(self, latex: str, *, block: bool) -> str:
        """HTML that stands for the formula until `put_back`; a broken or endless one shows its source."""
        self._left -= len(latex)
        made = mathml(latex.strip(), block=block) if self._left >= 0 else None
        if made is None:
            mark = "$$" if block else "$"
            return f'<span class="formula-source"><code>{escape(mark + latex + mark)}</code></span>'
        self._held.append(made)
        return f'<span title="{self._name}-{len(self._held) - 1}"></span>'

    def put_back(self, html: str) -> str:
        """The sanitised HTML with every formula in its place."""
        if not self._held:
            return html
        holder = re.compile(rf'<span title="{self._name}-(\d+)"></span>')
        return holder.sub(lambda found: self._held[int(found[1])], html)


@lru_cache(maxsize=1024)
def mathml(latex: str, *, block: bool) -> str | None:
    """The formula as MathML of known elements and attributes; None where it is broken, too long or deep."""
    if not latex or len(latex) > MAX_FORMULA_CHARS:
        return None
    try:
        return _written(convert_to_element(latex, display="block" if block else "inline"), 0)
    except Exception:
        # The converter raises whatever it stumbles over (IndexError, RecursionError, its own).
        return None


def _written(element: Element, depth: int) -> str:
    if element.tag not in _TAGS or depth > MAX_DEPTH:
        raise ValueError(element.tag)
    attributes = "".join(
        f' {name}="{value}"'
        for name, value in element.attrib.items()
        if name in _ATTRIBUTES and _VALUE.fullmatch(value)
    )
    inside = "".join(_written(child, depth + 1) + _text(child.tail) for child in element)
    return f"<{element.tag}{attributes}>{_text(element.text)}{inside}</{element.tag}>"


def _text(text: str | None) -> str:
    """The converter hands over some characters as references; what people wrote is escaped all the same."""
    return escape(unescape(text)) if text else ""
