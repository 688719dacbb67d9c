"""The lines of a run's log that show what it died of, with every secret covered. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runs.patient import Past

MAX_LINES = 6
MAX_CHARACTERS = 300
# Where nothing in the log speaks of trouble, its last words are shown.
LAST_WORDS = 3
COVERED = "[hidden]"

_TROUBLE = re.compile(
    r"\b(error|exception|traceback|fail(ed|ure|s)?|killed|out of memory|cannot|could not|refused|denied|"
    r"no space|not enough|nan|infinit[ey]|abort(ed)?|signal|sig[a-z]{3,6}|overflow|corrupt(ed)?|"
    r"unreachable|timed? ?out|warning|missing|invalid)\b",
    re.IGNORECASE,
)
# A name in quotes, a file, a row: what a sentence points at can be pointed at in the log too.
_POINTED = re.compile(
    r"'([^']{2,100})'|\"([^\"]{2,100})\"|([\w./-]+\.(?:csv|jsonl?|parquet|png|jpe?g|txt|safetensors|yaml))"
    r"|\b((?:row|line|step) [\d,]+)",
    re.IGNORECASE,
)
_SECRETS = (
    # tokens of people, runs and workers, and of services that data may come from
    re.compile(r"\b(?:hf|tyw|ghp|gho|ghs|glpat|sk|AKIA)[_-]?[A-Za-z0-9_-]{12,}"),
    re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"),
    # user:password@ of an address
    re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"),
    re.compile(
        r"(?i)\b(token|secret|password|passwd|api[_-]?key|signature|sig|credential)s?([\"']?\s*[=:]\s*)\S+"
    ),
)


def without_secrets(text: str) -> str:
    """The text with everything covered that looks like a token, a password or a signed address."""
    for pattern in _SECRETS:
        text = pattern.sub(_covered, text)
    return text


def _covered(match: re.Match[str]) -> str:
    kept = [part for part in match.groups() if part is not None]
    if len(kept) == 2:
        return f"{kept[0]}{kept[1]}{COVERED}"
    return f"{kept[0]} {COVERED}" if kept else COVERED


def telling_lines(lines: Sequence[str], message: str, *, last_words: int = LAST_WORDS) -> list[str]:
    """At most six lines, oldest first: those that speak of what the message points at, then of trouble.

    The message itself is not repeated. Without any such line, the last `last_words`.
    """
    plain = [line.strip() for line in lines]
    told = {number for number, line in enumerate(plain) if line and line != message.strip()}
    pointed = {number for number in told if _mentions(plain[number], message)}
    trouble = {number for number in told if _TROUBLE.search(plain[number])}
    chosen = sorted(pointed)[-MAX_LINES // 2 :]
    chosen += sorted(trouble - set(chosen))[len(chosen) - MAX_LINES :]
    chosen = chosen or sorted(told)[max(0, len(told) - last_words) :]
    shown = (_short(without_secrets(plain[number])) for number in sorted(chosen))
    return list(dict.fromkeys(shown))


def _mentions(line: str, message: str) -> bool:
    return any(word.lower() in line.lower() for word in _words(message))


def _words(message: str) -> Iterator[str]:
    for match in _POINTED.finditer(message):
        yield next(part for part in match.groups() if part)


def history_lines(attempts: Sequence[Past]) -> list[str]:
    """One line an attempt: who had the run, for how long, and how that ended."""
    return [_short(_told(one)) for one in attempts if one.outcome][-MAX_LINES:]


def _told(one: Past) -> str:
    where = f" on {one.worker_name}" if one.worker_name else ""
    began = f", from step {one.from_step}" if one.from_step else ""
    return f"attempt {one.number}{where}: {one.outcome} after {one.seconds:.0f} s{began}"


def _short(line: str) -> str:
    return line if len(line) <= MAX_CHARACTERS else line[: MAX_CHARACTERS - 1] + "…"
