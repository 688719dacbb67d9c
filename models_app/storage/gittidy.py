"""Tidying a bare repository: commits leave a file an object and pushes a pack each, and readers get slow.

Safe beside commits, pushes, clones and reads. Nothing that a reference leads to is ever dropped, and nothing
else before it is KEEP_DAYS old: a commit may be about to name it. Both git and libgit2 renew the age of an
object that is written again, and look anew for packs where an object is not where it was.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from models_app.storage import gitprocess

KEEP_DAYS = 14
MAX_LOOSE = 400
MAX_PACKS = 20
MAX_LOOSE_REFS = 100
_SECONDS = 300
# The index follows its pack within a moment, but a pack keeps the age it had where it was made.
_HEADLESS_SECONDS = 3 * 86_400


class TidyFailed(Exception):
    """Git could not repack; the repository is as it was."""


@dataclass(frozen=True)
class Clutter:
    """How many objects lie in files of their own, and in how many packs the others."""

    loose: int
    packs: int

    @property
    def is_much(self) -> bool:
        return self.loose > MAX_LOOSE or self.packs > MAX_PACKS


def clutter(path: Path) -> Clutter:
    """What lies about in the repository at `path`; nothing where there is none."""
    objects = path / "objects"
    loose = sum(_count(folder) for folder in objects.glob("[0-9a-f][0-9a-f]"))
    return Clutter(loose, sum(1 for _ in (objects / "pack").glob("pack-*.pack")))


def tidy(path: Path, *, keep_days: int = KEEP_DAYS) -> bool:
    """Put all objects in one pack; False when somebody is at it already,
    or the repository is gone.

    Raises TidyFailed.
    """
    with _alone(path) as is_mine:
        if not is_mine:
            return False
        age = f"{keep_days}.days.ago"
        # Objects that nothing leads to leave the packs for files of their own, where each keeps its age.
        _git(path, "repack", "-A", "-d", "-l", "-q", f"--unpack-unreachable={age}")
        _git(path, "prune", f"--expire={age}")
        _drop_headless_packs(path / "objects" / "pack")
    return True


def _drop_headless_packs(folder: Path) -> None:
    """Remove packs without an index, which git never looks at: whoever put them there was killed between the
    two."""
    before = time.time() - _HEADLESS_SECONDS
    for pack in folder.glob("pack-*.*"):
        with suppress(FileNotFoundError):
            if not pack.with_suffix(".idx").exists() and pack.stat().st_mtime < before:
                pack.unlink()


def pack_refs(path: Path) -> bool:
    """Put all references in one file, if there are many; False when there are not, or no repository.

    Nobody else may be moving references meanwhile: call with the repo's row locked. Raises TidyFailed.
    """
    loose = sum(1 for one in (path / "refs").rglob("*") if one.is_file())
    if loose <= MAX_LOOSE_REFS:
        return False
    _git(path, "pack-refs", "--all")
    return True


def _git(path: Path, *words: str) -> None:
    try:
        done = gitprocess.run(path, *words, seconds=_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise TidyFailed(f"git {words[0]} took more than {_SECONDS} s") from error
    if done.returncode != 0:
        raise TidyFailed(f"git {words[0]}: {gitprocess.complaint(done.stderr, path)}")


def _count(folder: Path) -> int:
    try:
        with os.scandir(folder) as found:
            return sum(1 for _ in found)
    except FileNotFoundError:  # git removes folders that have become empty
        return 0


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    try:
        lock = (path / "tidy.lock").open("a")
    except FileNotFoundError:  # the repository is gone
        yield False
        return
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
