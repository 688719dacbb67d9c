"""Lines that are counted later: appended at once by any process, read a minute after by one."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

MINUTE = 60
# A writer that took its time may still be writing into a minute that has just ended.
GRACE_SECONDS = 5


class Spool:
    """One file a minute under `root`, and what was counted already, one file a day."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def note(self, line: str, now: float) -> None:
        """Append one short line (no line break in it); one write, so lines of many processes do not mix."""
        self.root.mkdir(parents=True, exist_ok=True)
        path = self.root / f"{int(now) // MINUTE:012d}.log"
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(handle, f"{line}\n".encode())
        finally:
            os.close(handle)

    def ended(self, now: float) -> list[Path]:
        """Files that nobody writes to any more, oldest first."""
        current = int(now - GRACE_SECONDS) // MINUTE
        return [path for path in sorted(self.root.glob("*.log")) if int(path.stem) < current]

    def seen(self, day: str) -> set[str]:
        """The keys already counted on this day."""
        try:
            return set((self.root / f"{day}.keys").read_text().split())
        except FileNotFoundError:
            return set()

    def remember(self, day: str, keys: Iterable[str]) -> None:
        """Add keys to those counted on this day."""
        with (self.root / f"{day}.keys").open("a") as file:
            file.writelines(f"{key}\n" for key in keys)

    def forget_before(self, day: str) -> None:
        """Drop the keys of earlier days; nothing asks for them again."""
        for path in self.root.glob("*.keys"):
            if path.stem < day:
                path.unlink(missing_ok=True)

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether this process is the only one counting; the lock goes with the process."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True
