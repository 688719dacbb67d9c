"""What a commit or a pull request changes, as a page shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from models_app.content.configdiff import ENDINGS, MAX_CONFIG_BYTES, KeyChange, changed_keys
from models_app.content.textdiff import Line, Pair, parse_patch, side_by_side
from models_app.storage.gitdiff import Diff, FileDiff
from models_app.storage.gitstore import GitStore

MAX_DIFF_LINES = 3000
# A longer diff of one file is folded until it is asked for.
MAX_OPEN_LINES = 400
MAX_OPEN_FILES = 20
MAX_CONFIGS = 20


@dataclass(frozen=True)
class ShownFile:
    """A changed file with the lines of its diff; `is_cut` where there are more, `keys` what changed in a
    configuration, `is_open` whether it is unfolded from the start."""

    file: FileDiff
    lines: list[Line]
    is_cut: bool = False
    is_open: bool = True
    keys: list[KeyChange] = field(default_factory=list)

    @cached_property
    def pairs(self) -> list[Pair]:
        """The lines in two columns."""
        return side_by_side(self.lines)

    @property
    def has_tensors(self) -> bool:
        """Whether it is weights whose tensors can be compared."""
        changed = self.file.kind != "text" and self.file.status == "modified"
        return changed and self.file.path.endswith(".safetensors")


def shown_changes(diff: Diff) -> dict[str, Any]:
    """What `community/_files.html` takes: files with 3,000 lines at most, and what is left out."""
    room = MAX_DIFF_LINES
    files: list[ShownFile] = []
    configs = 0
    for file in diff.files:
        keys: list[KeyChange] = []
        if file.kind == "text" and file.path.lower().endswith(ENDINGS) and configs < MAX_CONFIGS:
            configs += 1
            keys = _keys(diff.git, file)
        shown = shown_file(file, room, is_open=len(files) < MAX_OPEN_FILES, keys=keys)
        room -= len(shown.lines)
        files.append(shown)
    return {
        "files": files,
        "left_out": diff.left_out,
        "is_cut": any(shown.is_cut for shown in files),
        # A large file's lines are those of its pointer: nobody has written them.
        "added": sum(file.added for file in diff.files if file.kind == "text"),
        "removed": sum(file.removed for file in diff.files if file.kind == "text"),
        "diff_ends": f"{diff.old}...{diff.new}",
        "diff_new": diff.new,
    }


def shown_file(
    file: FileDiff, room: int = MAX_DIFF_LINES, *, is_open: bool = True, keys: list[KeyChange] | None = None
) -> ShownFile:
    """One file with at most `room` lines."""
    lines, is_cut = parse_patch(file.text, max(room, 0)) if file.kind == "text" else ([], False)
    unfolded = is_open and len(lines) <= MAX_OPEN_LINES
    return ShownFile(file, lines, is_cut, unfolded, keys or [])


def _keys(git: Path | None, file: FileDiff) -> list[KeyChange]:
    """The changed keys of a configuration that both sides have."""
    if git is None or file.status != "modified" or not file.old_blob:
        return []
    store = GitStore(git)
    old, new = store.blob(file.old_blob), store.blob(file.new_blob)
    if max(len(old), len(new)) > MAX_CONFIG_BYTES:
        return []
    return changed_keys(file.path, old, new) or []
