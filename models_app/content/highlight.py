"""Source text to HTML with Pygments' class names; the style sheet colours them."""

from __future__ import annotations

from html import escape

from pygments import highlight as render
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_for_filename
from pygments.util import ClassNotFound

MAX_CHARS = 256 * 1024
# Lexers walk lines by regular expression; a minified file of one line is shown plain instead.
MAX_LINE = 5_000
PLAIN_ENDINGS = (".txt", ".csv", ".tsv", ".log", ".jsonl")


def highlight(text: str, path: str) -> str:
    """Safe HTML for the inside of a `<pre>`, highlighted where the file name tells how and it is cheap."""
    if len(text) > MAX_CHARS or path.lower().endswith(PLAIN_ENDINGS):
        return escape(text)
    if max(map(len, text.splitlines()), default=0) > MAX_LINE:
        return escape(text)
    try:
        lexer = get_lexer_for_filename(path, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return escape(text)
    return str(render(text, lexer, HtmlFormatter(nowrap=True)))
