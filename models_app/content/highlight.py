"""Source text to HTML with Pygments' class names; the style sheet colours them.

Lexers are regular expressions that strangers' text is matched against, in a commit while other writers wait.
Of Pygments' five hundred some take time without end for a line of backslashes, so only languages are coloured
whose lexers have been tried with hostile text (tests/models_app/content/test_highlight.py).
"""

from __future__ import annotations

from html import escape
from pathlib import PurePosixPath

from pygments import highlight as render
from pygments.formatters import HtmlFormatter
from pygments.lexers import find_lexer_class_for_filename, get_lexer_by_name
from pygments.util import ClassNotFound

# Most lexers take time by the square of a hostile text: 16 KiB are a second.
MAX_CHARS = 16 * 1024
# Of these the worst known text takes no longer than that at 128 KiB.
MAX_CHARS_QUICK = 128 * 1024
MAX_LINE = 1_000
PLAIN_ENDINGS = (".txt", ".csv", ".tsv", ".log", ".jsonl")
_LANGUAGES = """
bash batch bibtex c cmake console cpp css cuda dart diff docker elixir glsl go graphql haskell hcl html
ini javascript jinja json jsx julia kotlin llvm lua markdown matlab nginx nix ocaml perl php powershell
properties protobuf pycon pytb python r rst ruby rust scss sql swift tex toml tsx typescript wgsl xml yaml
zig
"""
LANGUAGES = frozenset(_LANGUAGES.split())
_QUICK = """
bash c console diff docker ini json julia lua markdown matlab nginx properties pycon pytb python r rst
scss sql tex toml yaml
"""
QUICK = frozenset(_QUICK.split())
# Code inside Markdown and reStructuredText would be given to lexers of its author's choice.
_OPTIONS = {"stripnl": False, "ensurenl": False, "handlecodeblocks": False}


def highlight(text: str, path: str) -> str:
    """Safe HTML for the inside of a `<pre>`, highlighted where the file name tells how and it is cheap."""
    if path.lower().endswith(PLAIN_ENDINGS):
        return escape(text)
    found = find_lexer_class_for_filename(PurePosixPath(path).name)
    names = LANGUAGES.intersection(found.aliases) if found is not None else ()
    return highlight_as(text, min(names)) if names else escape(text)


def highlight_as(text: str, language: str) -> str:
    """The same by the language's name, in any of its spellings; plain where it is unknown or not cheap."""
    if len(text) > MAX_CHARS_QUICK or max(map(len, text.splitlines()), default=0) > MAX_LINE:
        return escape(text)
    try:
        lexer = get_lexer_by_name(language[:40], **_OPTIONS)
    except ClassNotFound:
        return escape(text)
    if LANGUAGES.isdisjoint(lexer.aliases) or (len(text) > MAX_CHARS and QUICK.isdisjoint(lexer.aliases)):
        return escape(text)
    return str(render(text, lexer, HtmlFormatter(nowrap=True)))
