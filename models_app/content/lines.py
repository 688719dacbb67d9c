"""Text as lines that can be pointed at: each safe HTML, none longer than a page bears."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from models_app.content.highlight import highlight

MAX_LINES = 20_000
MAX_LINE = 5_000


@dataclass(frozen=True)
class Lines:
    """`html` holds the inside of each line; `left_out` lines follow, `has_long` where some line is cut."""

    html: tuple[str, ...]
    left_out: int = 0
    has_long: bool = False


def numbered(text: str, path: str) -> Lines:
    """The lines of a text, coloured where the file's name tells how and it is cheap."""
    plain = text.split("\n")
    if plain and plain[-1] == "":
        plain.pop()
    if any(len(line) > MAX_LINE for line in plain):
        cut = [escape(line[:MAX_LINE]) + ("…" if len(line) > MAX_LINE else "") for line in plain[:MAX_LINES]]
        return Lines(tuple(cut), max(0, len(plain) - MAX_LINES), has_long=True)
    # Pygments closes its spans at each line's end, so every line stands by itself.
    lines = highlight(text.replace("\r\n", "\n").replace("\r", " "), path).split("\n")[: len(plain)]
    return Lines(tuple(lines[:MAX_LINES]), max(0, len(plain) - MAX_LINES))
