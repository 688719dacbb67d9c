"""A process tree that starts together, restarts what crashes and stops in order.

Every child has a session of its own, so that the terminal's Ctrl-C reaches this process only, and a
parent-death signal, so that nothing stays behind when this process is killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import IO

POLL_SECONDS = 0.1
STOP_SECONDS = 20.0
_LAST_STAGE_SECONDS = 5.0  # of the stop time, kept for the children that stop last
_STEADY_SECONDS = 60.0
_MAX_DELAY = 30.0
_PR_SET_PDEATHSIG = 1


@dataclass
class Child:
    """One process to keep running; `stop_stage` 0 stops before 1. A `once` child may end by itself."""

    name: str
    command: list[str]
    environment: dict[str, str]
    stop_stage: int = 0
    once: bool = False
    on_end: Callable[[int], None] | None = None
    pass_fds: tuple[int, ...] = ()
    process: subprocess.Popen[str] | None = None
    started_at: float = 0.0
    delay: float = 1.0
    due_at: float | None = None

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal_group(self, number: int) -> None:
        """Signal the child and whatever it started; it leads a process group of its own."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)


@dataclass
class Supervisor:
    """Runs children until told to stop; `run` belongs in the main thread, where signals arrive."""

    children: list[Child] = field(default_factory=list)
    print_line: Callable[[str], None] = print
    stops: int = 0
    failed: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, child: Child) -> None:
        """Start a child now and keep it; its lines are printed behind its name."""
        if child not in self.children:
            self.children.append(child)
        child.process = subprocess.Popen(
            child.command,
            env=child.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            pass_fds=child.pass_fds,
            preexec_fn=_die_with_parent(),
        )
        child.started_at, child.due_at = time.monotonic(), None
        assert child.process.stdout is not None
        threading.Thread(target=self._stream, args=(child.name, child.process.stdout), daemon=True).start()

    def say(self, text: str, name: str = "hub") -> None:
        """One prefixed line; a closed terminal must not bring the hub down."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            self.print_line(f"{name:<5} │ {text}")

    def request_stop(self, *_: object) -> None:
        """A signal handler: the first call asks, the second one kills."""
        self.stops += 1

    def tick(self) -> None:
        """Look after every child once: restart the crashed when their pause is over, forget the finished."""
        now = time.monotonic()
        for child in list(self.children):
            if child.due_at is not None:
                if now >= child.due_at:
                    self.start(child)
            elif child.process is not None and child.process.poll() is not None:
                self._after_end(child, child.process.returncode, now)

    def run(self) -> None:
        """Look after the children until a stop is asked for or nothing can be kept running."""
        while not self.stops and not self.failed:
            self.tick()
            time.sleep(POLL_SECONDS)

    def stop(self, seconds: float = STOP_SECONDS) -> bool:
        """End the children stage by stage; a further signal or the time kills. True: none was killed."""
        deadline, clean, kill_at = time.monotonic() + seconds, True, self.stops + 1
        stages = sorted({child.stop_stage for child in self.children})
        for stage in stages:
            group = [child for child in self.children if child.stop_stage == stage]
            for child in group:
                if child.is_running:
                    child.signal_group(signal.SIGTERM)
            until = deadline if stage == stages[-1] else deadline - _LAST_STAGE_SECONDS
            clean = self._await_end(group, until, kill_at) and clean
        return clean

    def _await_end(self, group: Iterable[Child], until: float, kill_at: int) -> bool:
        while any(child.is_running for child in group) and time.monotonic() < until and self.stops < kill_at:
            time.sleep(POLL_SECONDS)
        late = [child for child in group if child.is_running]
        for child in late:
            self.say(f"{child.name} did not stop in time and was killed")
        for child in group:
            child.signal_group(signal.SIGKILL)
            if child.process is not None:
                child.process.wait()
        return not late

    def _after_end(self, child: Child, status: int, now: float) -> None:
        child.signal_group(signal.SIGKILL)  # what the dead child had started
        child.process = None
        if child.once:
            self.children.remove(child)
        elif now - child.started_at > _STEADY_SECONDS:
            child.delay = 1.0
        if child.on_end is not None:
            child.on_end(status)
        if not child.once and not self.stops and not self.failed:
            child.due_at = now + child.delay
            self.say(
                f"{child.name} ended ({describe_status(status)}): starting it again in {child.delay:.0f} s"
            )
            child.delay = min(child.delay * 2, _MAX_DELAY)

    def _stream(self, name: str, pipe: IO[str]) -> None:
        for line in filter(str.strip, pipe):
            self.say(line.rstrip(), name)


def describe_status(status: int) -> str:
    """A return code in words."""
    if status >= 0:
        return f"status {status}"
    with contextlib.suppress(ValueError):
        return f"killed by {signal.Signals(-status).name}"
    return f"killed by signal {-status}"


def _die_with_parent() -> Callable[[], None] | None:
    """What the child runs first: ask the kernel for SIGTERM when this process is gone (Linux only)."""
    if not sys.platform.startswith("linux"):
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def arrange() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return arrange
