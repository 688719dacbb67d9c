"""Limits of a run, enforced from outside of its process: time, memory, and how long it may take to obey."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass

from training.childprocess import ChildProcess, ended_by
from training.errors import EngineError
from training.processes import family, held_bytes, oom_kills

LOOK_SECONDS = 0.5
# The family is counted anew at every so manieth look.
COUNT_LOOKS = 4
# Of the machine's own memory, where the hub names no limit: the rest is the worker's and the system's.
MACHINE_SHARE = 0.9
CANCEL_TERM_SECONDS, CANCEL_KILL_SECONDS = 2.0, 3.0
# To write a checkpoint; the rest of the twenty seconds that a stop may take is for handing it to the hub.
INTERRUPT_SECONDS = 9.0
TIMEOUT = "The run took longer than its time limit of {limit} and was stopped."
OVER_LIMIT = (
    "The run needed more than {limit} of memory and was stopped. Choose a smaller batch size or image "
)
OVER_LIMIT += "size, or a larger flavor."
SYSTEM_KILL = "The system ended the run's process for want of memory; it held {held} when last looked at. "
SYSTEM_KILL += "Choose a smaller batch size or image size, or a larger flavor."
CRASHED = "The run's process is gone: {how}."


@dataclass
class Limits:
    """Wall-clock seconds that are left, and bytes of memory of the process with all it has started."""

    seconds: float
    memory_bytes: int
    told_seconds: float


class Overseer:
    """Watches one process from when it is given its job."""

    def __init__(self, child: ChildProcess, limits: Limits) -> None:
        self.child, self.limits = child, limits
        self.began = time.monotonic()
        self.peak_bytes = 0
        self._pids = {child.process.pid}
        self._looks = 0
        self._looked_at = 0.0
        self._kills = oom_kills()
        self._wish = ""
        self._wished_at = 0.0

    def look(self) -> None:
        """Raises EngineError `run:timeout` or `worker:out-of-memory` for a limit that is passed."""
        now = time.monotonic()
        if now - self.began > self.limits.seconds:
            raise EngineError("run:timeout", TIMEOUT.format(limit=in_hours(self.limits.told_seconds)))
        if now - self._looked_at < LOOK_SECONDS:
            return
        if self._looks % COUNT_LOOKS == 0:
            self._pids = family(self.child.process.pid)
        self._looks, self._looked_at = self._looks + 1, now
        held = held_bytes(self._pids, self.limits.memory_bytes)
        self.peak_bytes = max(self.peak_bytes, held)
        if held > self.limits.memory_bytes:
            text = OVER_LIMIT.format(limit=in_bytes(self.limits.memory_bytes))
            raise EngineError("worker:out-of-memory", text)

    def wish(self, what: str) -> bool:
        """Say `cancel` or `interrupt` once, and see to it that it is heard; True when patience is over."""
        now = time.monotonic()
        if self._wish != what:
            self._wish, self._wished_at = what, now
            self.child.tell(what)
        waited = now - self._wished_at
        if what == "interrupt":
            return waited > INTERRUPT_SECONDS
        if waited > CANCEL_TERM_SECONDS:
            self.child.signal(signal.SIGTERM)
        return waited > CANCEL_KILL_SECONDS

    def crash(self) -> EngineError:
        """What to say of a process that ended without a last word, and not by our hand."""
        status = self.child.status
        if status is None:
            return EngineError("worker:crashed", CRASHED.format(how="it closed its line to the worker"))
        kills = oom_kills()
        if status == -signal.SIGKILL and kills is not None and kills != self._kills:
            return EngineError("worker:out-of-memory", SYSTEM_KILL.format(held=in_bytes(self.peak_bytes)))
        return EngineError("worker:crashed", CRASHED.format(how=ended_by(status)))


def in_bytes(size: float) -> str:
    """`3.2 GB`, as the flavors' limits are told."""
    unit, name = (1000**3, "GB") if size >= 1000**3 else (1000**2, "MB")
    return f"{size / unit:.3g} {name}"


def in_hours(seconds: float) -> str:
    """`1.5 h`, or minutes and seconds where it is less."""
    if seconds >= 3600:
        return f"{seconds / 3600:g} h"
    return f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds:g} s"
