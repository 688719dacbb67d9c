"""Processes as the kernel tells of them: who belongs to whom, what memory they hold, and how to end them all.

Linux only; elsewhere nobody is found, and limits of memory are not enforced.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
PAGE = os.sysconf("SC_PAGE_SIZE")
KILL_SECONDS = 3.0


def family(root: int) -> set[int]:
    """The process, those it started and those of its session, as far as they live."""
    parents, found = {}, {root}
    for pid, (parent, session) in _table().items():
        parents[pid] = parent
        if session == root:
            found.add(pid)
    grown = True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        found |= more
        grown = bool(more)
    return found & set(parents)


def marked(marker: str) -> set[int]:
    """Processes whose environment names `marker`: also those that have left session and parents behind."""
    wanted, found = marker.encode(), set()
    for pid in _pids():
        with suppress(OSError):
            if wanted in (PROC / str(pid) / "environ").read_bytes():
                found.add(pid)
    return found


def held_bytes(pids: set[int], limit: int) -> int:
    """Memory of these processes: resident pages; where that is over `limit`, each shared page once."""
    resident = sum(_resident(pid) for pid in pids)
    return resident if resident <= limit else sum(_proportional(pid) for pid in pids)


def end_family(root: int, marker: str) -> None:
    """SIGKILL for the process, its session and whatever carries its marker, until none is left."""
    deadline = time.monotonic() + KILL_SECONDS
    while True:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(root, signal.SIGKILL)
        living = {pid for pid in (family(root) | marked(marker)) - {os.getpid()} if not _is_zombie(pid)}
        for pid in living:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not living or time.monotonic() > deadline:
            return
        time.sleep(0.02)


def oom_kills() -> int | None:
    """How often the kernel has ended a process for want of memory; None where it does not tell."""
    for path, word in ((Path("/sys/fs/cgroup/memory.events"), "oom_kill"), (PROC / "vmstat", "oom_kill")):
        with suppress(OSError, ValueError):
            for line in path.read_text().splitlines():
                name, _, value = line.partition(" ")
                if name == word:
                    return int(value)
    return None


def _pids() -> list[int]:
    try:
        return [int(name) for name in os.listdir(PROC) if name.isdecimal()]
    except OSError:
        return []


def _table() -> dict[int, tuple[int, int]]:
    """Parent and session by process id."""
    found = {}
    for pid in _pids():
        with suppress(OSError, IndexError, ValueError):
            # The name in parentheses may hold anything, also parentheses.
            words = (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
            found[pid] = int(words[1]), int(words[3])
    return found


def _is_zombie(pid: int) -> bool:
    with suppress(OSError, IndexError):
        return (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()[0] == "Z"
    return True


def _resident(pid: int) -> int:
    with suppress(OSError, IndexError, ValueError):
        return int((PROC / str(pid) / "statm").read_text().split()[1]) * PAGE
    return 0


def _proportional(pid: int) -> int:
    with suppress(OSError, ValueError):
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return _resident(pid)
