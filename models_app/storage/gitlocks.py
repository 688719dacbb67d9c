"""Lock files that a killed process left in a repository, which would refuse every later change of a
reference."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import pygit2

# A reference is written within milliseconds.
STALE_SECONDS = 10


def clear_stale_locks(path: Path, name: str) -> None:
    """Remove locks of the reference `name` (full) that are older than 10 seconds.

    Call before a reference is changed, with the repo's row locked: then nobody else is changing one. Does
    nothing for what is no name of a reference.
    """
    if "\0" in name or not name.startswith("refs/") or not pygit2.reference_is_valid_name(name):
        return
    for lock in (path / f"{name}.lock", path / "packed-refs.lock"):
        with suppress(OSError):
            if time.time() - lock.stat().st_mtime > STALE_SECONDS:
                lock.unlink()
