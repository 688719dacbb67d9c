"""Path patterns of `.gitattributes` and `.gitignore`, matched without regular expressions that could blow up.

Patterns come from users, so matching is by the classic two-pointer walk: at most pattern × path steps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile

# What is kept in memory of a rules file, whatever its length
MAX_CHARACTERS = 256 * 1024
MAX_LINES = 2000
MAX_PATTERN_CHARACTERS = 512

_STAR = None  # a run of any characters (in a segment), or of any segments (in a path)
_CLASSES = {
    "space": r"\s", "digit": r"0-9", "alpha": r"a-zA-Z", "alnum": r"a-zA-Z0-9", "lower": r"a-z",
    "upper": r"A-Z",
}  # fmt: skip


# A plain letter is itself; `?` and classes are expressions for one letter.
_Token = str | re.Pattern[str] | None
_Segment = tuple[_Token, ...] | None


@dataclass(frozen=True)
class Pattern:
    """One line: `segments` of `**` (None) or tokens; `anchored` patterns match from the top, others by name.

    Every path that matches ends in `ending`: most patterns are told by it that they do not.
    """

    segments: tuple[_Segment, ...]
    ending: str
    anchored: bool
    folders_only: bool = False
    negated: bool = False

    def matches(self, path: str) -> bool:
        """Whether the pattern names this very path (`a/b`, without a slash at either end)."""
        if not path.endswith(self.ending):
            return False
        parts = path.split("/")
        if not self.anchored:
            parts = parts[-1:]
        return _match(self.segments, parts, _match_segment)


def parse_pattern(text: str, *, ignore_file: bool) -> Pattern | None:
    """The pattern of one line; None for one that is too long or empty. `!` and trailing `/` mean something
    only in `.gitignore` (`ignore_file`)."""
    negated = ignore_file and text.startswith("!")
    body = text[1:] if negated else text
    folders_only = body.endswith("/")
    anchored = "/" in body.rstrip("/")
    body = body.strip("/")
    if not body or len(body) > MAX_PATTERN_CHARACTERS or (folders_only and not ignore_file):
        return None
    segments = tuple(None if part == "**" else _tokens(part) for part in body.split("/"))
    return Pattern(segments, _ending(segments[-1]), anchored, folders_only, negated)


def _ending(segment: _Segment) -> str:
    letters = takewhile(lambda token: isinstance(token, str), reversed(segment or ()))
    return "".join(map(str, letters))[::-1]


def is_ignored(path: str, ignore_text: str) -> bool:
    """Whether a `.gitignore` at the top of the repo with this text ignores the file (or a folder above
    it)."""
    patterns = _ignore_patterns(ignore_text[:MAX_CHARACTERS])
    parts = path.split("/")
    for depth in range(1, len(parts) + 1):
        if _last_word(patterns, "/".join(parts[:depth]), is_folder=depth < len(parts)):
            return True
    return False


@lru_cache(maxsize=64)
def _ignore_patterns(text: str) -> tuple[Pattern, ...]:
    lines = (line.rstrip() for line in text.splitlines()[:MAX_LINES])
    made = (parse_pattern(line, ignore_file=True) for line in lines if line and not line.startswith("#"))
    return tuple(pattern for pattern in made if pattern)


def _last_word(patterns: Sequence[Pattern], path: str, *, is_folder: bool) -> bool:
    for pattern in reversed(patterns):
        if (is_folder or not pattern.folders_only) and pattern.matches(path):
            return not pattern.negated
    return False


def _tokens(segment: str) -> tuple[_Token, ...]:
    tokens: list[_Token] = []
    position = 0
    while position < len(segment):
        letter = segment[position]
        if letter == "*":
            if not tokens or tokens[-1] is not _STAR:
                tokens.append(_STAR)
        elif letter == "?":
            tokens.append(re.compile(r"[^/]"))
        elif letter == "\\" and position + 1 < len(segment):
            position += 1
            tokens.append(segment[position])
        elif letter == "[" and (length := _class_length(segment[position:])):
            tokens.append(_class(segment[position : position + length]))
            position += length - 1
        else:
            tokens.append(letter)
        position += 1
    return tuple(tokens)


def _class_length(text: str) -> int:
    """Length of the bracket expression at the start of `text`, 0 when it never ends."""
    found = re.match(r"\[[!^]?\]?(?:\[:\w+:\]|[^\]])*\]", text)
    return found.end() if found else 0


def _class(text: str) -> re.Pattern[str]:
    inner = text[1:-1]
    negated = inner[:1] in ("!", "^")
    inner = inner[1:] if negated else inner
    inner = re.sub(r"\[:(\w+):\]", lambda found: _CLASSES.get(found[1], ""), inner).replace("[", "\\[")
    inner = inner.replace("]", "\\]")
    try:
        return re.compile(f"[{'^' if negated else ''}{inner}]")
    except re.error:
        return re.compile(re.escape(text))


def _match_segment(tokens: _Segment, text: str) -> bool:
    return tokens is not None and _match(tokens, text, _match_letter)


def _match_letter(token: _Token, letter: str) -> bool:
    if isinstance(token, str):
        return token == letter
    return token is not None and token.fullmatch(letter) is not None


def _match(pattern: Sequence, items: Sequence, fits: Callable[..., bool]) -> bool:
    """Greedy match where None in the pattern stands for any run of items; backtracks to the last None
    only."""
    at = item = 0
    star, resume = -1, 0
    while item < len(items):
        if at < len(pattern) and pattern[at] is _STAR:
            star, resume = at, item
            at += 1
        elif at < len(pattern) and fits(pattern[at], items[item]):
            at, item = at + 1, item + 1
        elif star >= 0:
            resume += 1
            at, item = star + 1, resume
        else:
            return False
    return all(rest is _STAR for rest in pattern[at:])
