"""The process of one run: it has loaded the engine, waits for a job, does it, and ends.

Started by the worker as `python -m training.child EVENTS_FD WORKER_PID`. It gets no token. Events go out on a
pipe of their own, so that whatever a library prints spoils nothing; what the worker wishes comes in on
standard input. When the worker is gone, so is this process.
"""

from __future__ import annotations

import math
import os
import queue
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from training.childwire import MAX_LINE_BYTES, BadLine, decode, encode
from training.confine import confine
from training.errors import Canceled, Interrupted, UserError
from training.faults import fault_message

MAX_TEXT = 2000
MAX_TRACE = 20_000
Work = Callable[[Mapping[str, Any], "Wire"], Mapping[str, Any]]


class Wire:
    """The child's end of the pipes."""

    def __init__(self, descriptor: int) -> None:
        self._out = descriptor
        self._lock = threading.Lock()
        self._wish = ""
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue(1)

    def tell(self, event: str, **fields: Any) -> None:
        """Send one event; waits while the worker is behind with reading."""
        data = memoryview(encode({"event": event, **fields}))
        with self._lock:
            while data:
                data = data[os.write(self._out, data) :]

    def job(self) -> dict[str, Any] | None:
        """What to do; None when the worker closed the pipe instead."""
        line = sys.stdin.buffer.readline(MAX_LINE_BYTES + 1)
        return decode(line)["job"] if line else None

    def listen(self) -> None:
        """Take wishes from now on, in a thread of its own."""
        threading.Thread(target=self._listen, name="wishes", daemon=True).start()

    def check(self) -> None:
        """Raises Canceled or Interrupted once the worker has said so."""
        if self._wish == "cancel":
            raise Canceled
        if self._wish == "interrupt":
            raise Interrupted

    def answer(self) -> dict[str, Any]:
        """Wait for what the hub says to what was measured; raises as `check` does."""
        while True:
            self.check()
            try:
                return self._answers.get(timeout=0.1)
            except queue.Empty:
                continue

    def _listen(self) -> None:
        for line in iter(lambda: sys.stdin.buffer.readline(MAX_LINE_BYTES + 1), b""):
            try:
                said = decode(line)
            except BadLine:
                break
            if said.get("tell") == "proof":
                self._answers.put(said["proof"])
            elif self._wish != "cancel":
                self._wish = str(said.get("tell"))
        os._exit(1)  # the worker is gone


class WireReporter:
    """A `Reporter` whose listener is the worker."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    def stage(self, name: str) -> None:
        self.wire.tell("stage", name=name[:40])

    def log(self, text: str) -> None:
        self.wire.tell("log", text=text[:MAX_TEXT])

    def report(self, step: int, total_steps: int, metrics: dict[str, float]) -> None:
        finite = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
        self.wire.tell("report", step=step, total=total_steps, metrics=finite)
        if len(finite) < len(metrics):
            self.log(f"step {step}: a metric is not a finite number; the learning rate may be too high")

    def check(self) -> None:
        self.wire.check()


def run_child(work: Work, arguments: list[str], warm_up: Callable[[], None] = lambda: None) -> None:
    """Live as the process of one run that is done by `work`, and end with it. Does not return."""
    descriptor, parent = int(arguments[0]), int(arguments[1])
    network = confine(parent)
    wire = Wire(descriptor)
    warm_up()
    wire.tell("ready", network=network)
    job = wire.job()
    if job is not None:
        _settle_in(Path(job["work_dir"]))
        wire.listen()
        wire.tell("end", **_outcome(work, job, wire))
    # Nothing is left to tidy up, and a library's threads must not keep a finished run waiting.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _settle_in(folder: Path) -> None:
    """Temporary files, and what libraries keep at home, belong to the run's own place."""
    scratch = folder / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    os.environ |= {"TMPDIR": str(scratch), "HOME": str(scratch)}
    tempfile.tempdir = None
    os.chdir(scratch)


def _outcome(work: Work, job: Mapping[str, Any], wire: Wire) -> dict[str, Any]:
    try:
        return {"outcome": "completed", **work(job, wire)}
    except Canceled:
        return {"outcome": "canceled"}
    except Interrupted:
        return {"outcome": "interrupted"}
    except UserError as error:
        return _told("refused", error.message_id, error.message)
    except Exception as error:  # whatever it is, the visitor must not wait for ever
        trace = "".join(traceback.format_exception(error))
        wire.tell("trace", text=trace[-MAX_TRACE:])
        return _told("fault", *fault_message(error))


def _told(outcome: str, message_id: str, message: str) -> dict[str, Any]:
    return {"outcome": outcome, "message_id": message_id[:64], "message": message[:MAX_TEXT]}


def main() -> None:
    """The engine's own work."""
    # Must be set before torch is loaded, see training/__main__.py.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    run_child(_work, sys.argv[1:], _warm_up)


def _warm_up() -> None:
    """Importing torch takes seconds: it is done while nobody waits for a run."""
    import training.childwork  # noqa: F401


def _work(job: Mapping[str, Any], wire: Wire) -> Mapping[str, Any]:
    from training.childwork import work

    return work(job, wire)


if __name__ == "__main__":
    main()
