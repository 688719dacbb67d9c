"""Where progress goes. The loop knows only the `Reporter` protocol; the hub's own one is in `hubclient`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Protocol, TextIO


class Reporter(Protocol):
    """What the engine tells the outside. Steps are optimizer steps, counted from 1."""

    def stage(self, name: str) -> None:
        """A new part of the run begins: `data`, `features`, `train`, `evaluate`, `save`."""

    def log(self, text: str) -> None:
        """One line for people."""

    def report(self, step: int, total_steps: int, metrics: dict[str, float]) -> None:
        """Numbers at `step`: train/loss, train/accuracy, lr, val/loss, val/macro_f1, …; rows a second and
        bytes of memory as system/… (see `system`)."""

    def check(self) -> None:
        """Called between steps, or every few milliseconds of short ones; raises `Canceled` or `Interrupted`
        to stop the run."""


class SilentReporter:
    """Says nothing and never stops the run."""

    def stage(self, name: str) -> None: ...

    def log(self, text: str) -> None: ...

    def report(self, step: int, total_steps: int, metrics: dict[str, float]) -> None: ...

    def check(self) -> None: ...


class ConsoleReporter(SilentReporter):
    """One readable line each, to standard error, so that standard output stays free for results."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr

    def stage(self, name: str) -> None:
        self.log(f"== {name}")

    def log(self, text: str) -> None:
        print(text, file=self.stream, flush=True)

    def report(self, step: int, total_steps: int, metrics: dict[str, float]) -> None:
        numbers = "  ".join(
            f"{name} {value:.5g}" for name, value in metrics.items() if not name.startswith("system/")
        )
        self.log(f"step {step}/{total_steps}  {numbers}")


class JsonlReporter(SilentReporter):
    """Appends one JSON object a line; every line carries `time`, seconds since the epoch."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path

    def stage(self, name: str) -> None:
        self._write({"stage": name})

    def log(self, text: str) -> None:
        self._write({"log": text})

    def report(self, step: int, total_steps: int, metrics: dict[str, float]) -> None:
        self._write({"step": step, "total_steps": total_steps, "metrics": metrics})

    def _write(self, line: dict[str, object]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"time": round(time.time(), 3), **line}) + "\n")


class TeeReporter:
    """Passes everything on to several reporters, in order."""

    def __init__(self, *reporters: Reporter) -> None:
        self.reporters = reporters

    def stage(self, name: str) -> None:
        for reporter in self.reporters:
            reporter.stage(name)

    def log(self, text: str) -> None:
        for reporter in self.reporters:
            reporter.log(text)

    def report(self, step: int, total_steps: int, metrics: dict[str, float]) -> None:
        for reporter in self.reporters:
            reporter.report(step, total_steps, metrics)

    def check(self) -> None:
        for reporter in self.reporters:
            reporter.check()
