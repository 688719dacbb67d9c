"""Colours for code, and time bounds on the lexers that give them."""

from __future__ import annotations

import time

import pytest

from models_app.content.highlight import (
    LANGUAGES,
    MAX_CHARS,
    MAX_CHARS_QUICK,
    MAX_LINE,
    QUICK,
    highlight,
    highlight_as,
)

# A regular expression that backtracks without end needs far less than this many letters to show it.
_OPENINGS = ("", '"', "'", "a(", "{", "<a ")
_UNITS = ("\\", "\\\\", 'a"', "'a", "a ", "a,", "a.", "(a", "[a", "{a", "<a", "a=", "/*", "*a", "  ")
HOSTILE = [opening + unit * 60 for opening in _OPENINGS for unit in _UNITS]


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_hostile_text_takes_no_time(language: str) -> None:
    assert "<" not in highlight_as("plain", "no-such-language")
    began = time.process_time()
    for text in HOSTILE:
        highlight_as(text, language)
    assert time.process_time() - began < 20


@pytest.mark.parametrize("language", ["fish", "scala", "factor", "cddl", "java", "nonsense"])
def test_languages_that_were_not_tried_stay_plain(language: str) -> None:
    assert highlight_as('"' + "\\" * 2000 + "<", language).endswith("\\&lt;")


@pytest.mark.parametrize("language", ["bash", "cpp", "css", "go", "javascript", "perl", "python", "xml"])
def test_long_hostile_text_takes_seconds_at_most(language: str) -> None:
    """Of all that was tried, these are the worst."""
    size = MAX_CHARS_QUICK if language in QUICK else MAX_CHARS
    for unit in ('\\"', "<?", "a "):
        line = (unit * MAX_LINE)[: MAX_LINE - 1] + "\n"
        began = time.process_time()
        highlight_as((line * (size // len(line) + 1))[:size], language)
        assert time.process_time() - began < 10


def test_long_files_of_quick_languages_only_are_coloured() -> None:
    text = "if x: y\n" * 3000
    assert "<span" in highlight(text, "a.py")
    assert "<span" not in highlight(text, "a.js")


def test_code_inside_markdown_is_not_given_to_a_lexer_of_its_authors_choice() -> None:
    text = '```fish\n"' + "\\" * 1000 + "\n```\n"
    began = time.process_time()
    highlight(text, "README.md")
    highlight(f".. code-block:: fish\n\n   {text}", "a.rst")
    assert time.process_time() - began < 5


def test_the_files_name_tells_the_language() -> None:
    assert '<span class="k">def</span>' in highlight("def f(): pass", "a/b.py")
    assert '<span class="k">def</span>' in highlight_as("def f(): pass", "py3")
    for path in ("a.fish", "rows.jsonl", "none", "a.txt"):
        assert highlight("{a: <b>}", path) == "{a: &lt;b&gt;}"
    assert "<span" not in highlight("x = 1 #" + "x" * MAX_LINE, "a.py")
