"""What a commit or a pull request changes, as a page shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from models_app.storage.gitdiff import Diff, FileDiff

MAX_DIFF_LINES = 3000


@dataclass(frozen=True)
class ShownFile:
    """A changed file with the lines of its diff, each with its class."""

    file: FileDiff
    lines: list[tuple[str, str]]


def shown_changes(diff: Diff) -> dict[str, Any]:
    """What `community/_files.html` takes: files with 3,000 lines at most, and what is left out."""
    room = iter(range(MAX_DIFF_LINES))
    files = [ShownFile(file, list(_lines(file, room))) for file in diff.files]
    return {"files": files, "left_out": diff.left_out, "is_cut": next(room, None) is None}


def _lines(file: FileDiff, room: Iterator[int]) -> Iterator[tuple[str, str]]:
    """Hunks without the file's header, as long as there is room on the page."""
    if file.kind != "text":
        return
    kinds = {"+": "add", "-": "del", "@": "hunk"}
    lines = file.text.rstrip("\n").split("\n")
    start = next((place for place, line in enumerate(lines) if line.startswith("@@")), len(lines))
    for line, _used in zip(islice(lines, start, None), room, strict=False):
        yield kinds.get(line[:1], "same"), line
