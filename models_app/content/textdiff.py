"""A unified diff as lines that a page draws: numbered on both sides, changed words marked, side by side."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from html import escape

MAX_LINE = 2000
# Words are compared in lines of at most so many letters, and in so many pairs of lines.
MAX_WORD_LINE = 500
MAX_WORD_PAIRS = 300
_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)")
# Below this share of equal words a line was not edited but replaced.
_KIN = 0.35


@dataclass(frozen=True)
class Line:
    """`kind` is add, del, same, hunk or note; `html` is safe; `old` and `new` are its numbers, 0 for none.
    Of a hunk `skipped` is how many unchanged lines lie before it."""

    kind: str
    html: str
    old: int = 0
    new: int = 0
    skipped: int = 0


Pair = tuple[Line | None, Line | None]


def parse_patch(patch: str, limit: int) -> tuple[list[Line], bool]:
    """At most `limit` lines of one file's diff, without its header, and whether there are more."""
    lines: list[Line] = []
    for line in _numbered(patch):
        if len(lines) >= limit:
            return _with_words(lines), True
        lines.append(line)
    return _with_words(lines), False


def _numbered(patch: str) -> Iterator[Line]:
    old = new = 0
    is_open = False
    for text in patch.removesuffix("\n").split("\n"):
        found = _HUNK.match(text)
        if found:
            start = int(found[1]) + (1 if found[2] == "0" else 0)
            skipped = max(0, start - 1 - old)
            old, new, is_open = start - 1, int(found[3]) - (0 if found[4] == "0" else 1), True
            yield Line("hunk", escape(found[5][:MAX_LINE]), skipped=skipped)
        elif not is_open:
            continue
        elif text.startswith("+"):
            new += 1
            yield Line("add", _shown(text[1:]), new=new)
        elif text.startswith("-"):
            old += 1
            yield Line("del", _shown(text[1:]), old=old)
        elif text.startswith("\\"):
            yield Line("note", _shown(text[2:]))
        else:
            old, new = old + 1, new + 1
            yield Line("same", _shown(text[1:]), old, new)


def _shown(text: str) -> str:
    text = text.removesuffix("\r")
    return escape(text) if len(text) <= MAX_LINE else f"{escape(text[:MAX_LINE])}…"


def side_by_side(lines: Sequence[Line]) -> list[Pair]:
    """The same in two columns: what went on the left of what came in its place."""
    pairs: list[Pair] = []
    for block in _blocks(lines):
        if block[0].kind in ("add", "del"):
            gone = [line for line in block if line.kind == "del"]
            came = [line for line in block if line.kind == "add"]
            for place in range(max(len(gone), len(came))):
                pairs.append((_at(gone, place), _at(came, place)))
        else:
            pairs.extend((line, line) for line in block)
    return pairs


def _at(lines: Sequence[Line], place: int) -> Line | None:
    return lines[place] if place < len(lines) else None


def _blocks(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Runs of changed lines (what went, then what came), and each other line by itself."""
    block: list[Line] = []
    for line in lines:
        changed = line.kind in ("add", "del")
        ends = bool(block) and (not changed or (line.kind == "del" and block[-1].kind == "add"))
        if ends:
            yield block
            block = []
        if changed:
            block.append(line)
        else:
            yield [line]
    if block:
        yield block


def _with_words(lines: list[Line]) -> list[Line]:
    """The lines with the words marked that differ, where a line was edited rather than replaced."""
    found: list[Line] = []
    room = MAX_WORD_PAIRS
    for block in _blocks(lines):
        gone = [line for line in block if line.kind == "del"]
        came = [line for line in block if line.kind == "add"]
        if gone and len(gone) == len(came) and room >= len(gone):
            room -= len(gone)
            marked = [_mark(*pair) for pair in zip(gone, came, strict=True)]
            block = [pair[0] for pair in marked] + [pair[1] for pair in marked]
        found.extend(block)
    return found


def _mark(gone: Line, came: Line) -> tuple[Line, Line]:
    if max(len(gone.html), len(came.html)) > MAX_WORD_LINE:
        return gone, came
    # The lines are HTML already; none of their letters is markup, so words of HTML are words of text.
    before, after = _words(gone.html), _words(came.html)
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    if matcher.ratio() < _KIN:
        return gone, came
    left: list[str] = []
    right: list[str] = []
    for what, a, b, c, d in matcher.get_opcodes():
        left.append(_wrap(before[a:b], what != "equal"))
        right.append(_wrap(after[c:d], what != "equal"))
    return replace(gone, html="".join(left)), replace(came, html="".join(right))


def _words(html: str) -> list[str]:
    """Words, blanks and signs; an entity such as `&lt;` is one sign."""
    return re.findall(r"&\w+;|&#x?\w+;|\w+|\s+|[^\w\s]", html)


def _wrap(words: Sequence[str], differs: bool) -> str:
    text = "".join(words)
    return f"<mark>{text}</mark>" if differs and text else text
