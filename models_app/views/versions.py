"""The texts a comment has had, and what changed from each to the next."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from models_app.models import DiscussionEvent

# A comparison takes time in the square of the lines; longer texts are shown as they are.
MAX_LINES = 2000


@dataclass(frozen=True)
class Version:
    """One text: since when, and its lines as (`add`, `del`, `same` or `hunk`, line)."""

    at: datetime
    is_first: bool
    lines: list[tuple[str, str]]


def versions_of(event: DiscussionEvent) -> list[Version]:
    """All versions, newest first; a hidden comment has none."""
    if event.hidden_at is not None:
        return []
    texts = [(earlier["raw"], datetime.fromisoformat(earlier["at"])) for earlier in event.data["history"]]
    texts.append((event.body, event.edited_at or event.created_at))
    first = Version(texts[0][1], True, [("same", line) for line in texts[0][0].splitlines()])
    rest = [Version(at, False, changed_lines(before, text)) for (before, _), (text, at) in pairwise(texts)]
    return [first, *rest][::-1]


def changed_lines(before: str, after: str) -> list[tuple[str, str]]:
    """A unified comparison without its file names."""
    old, new = before.splitlines(), after.splitlines()
    if len(old) + len(new) > MAX_LINES:
        return [("same", line) for line in new]
    kinds = {"+": "add", "-": "del", "@": "hunk"}
    found = list(difflib.unified_diff(old, new, lineterm="", n=3))[2:]
    return [(kinds.get(line[:1], "same"), line) for line in found]
