"""The worker's side of a run's process: start it, give it its job, hear it, end it and all it has started."""

from __future__ import annotations

import os
import queue
import secrets
import select
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from training.childwire import BadLine, Lines, decode, encode
from training.errors import EngineError
from training.processes import end_family

# `-P`: what lies in the working directory is data, never code.
COMMAND = (sys.executable, "-P", "-m", "training.child")
# All that a run's process may know of this machine. No token, no broker's password, nobody's home.
KEPT_VARIABLES = frozenset(
    {"PATH", "LANG", "LANGUAGE", "TZ", "TERM", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "VIRTUAL_ENV"}
    | {"PYTHONUNBUFFERED", "PYTHONWARNINGS", "PYTHONHASHSEED", "CUDA_VISIBLE_DEVICES", "SYSTEMROOT"}
)
KEPT_PREFIXES: tuple[str, ...] = (
    "LC_",
    "OMP_",
    "MKL_",
    "KMP_",
    "GOMP_",
    "OPENBLAS_",
    "NUMEXPR_",
    "CUDA_",
    "CUBLAS_",
    "CUDNN_",
)
KEPT_PREFIXES += ("NVIDIA_", "NCCL_", "TORCH_", "PYTORCH_", "HIP_", "HSA_", "ROCR_", "ROCM_", "MALLOC_")
MARKER = "TUNEYARD_RUN_PROCESS"
MAX_WAITING_EVENTS = 5000
MAX_OUTPUT_LINES = 300
MAX_OUTPUT_CHARS = 500
TAIL_LINES = 20
JOB_SECONDS = 120.0
# How long the last words of a process are waited for where something that it started holds their pipe open.
HEIR_SECONDS = 5.0


class ChildProcess:
    """One process, idle until it is given a job; it does one job and ends."""

    def __init__(self, home: Path, command: Sequence[str] = COMMAND) -> None:
        self.marker = secrets.token_hex(8)
        reading, writing = os.pipe()
        try:
            self.process = subprocess.Popen(
                [*command, str(writing), str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=_environment(self.marker),
                cwd=home,
                pass_fds=(writing,),
                start_new_session=True,
            )
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        assert self.process.stdin is not None
        os.set_blocking(self.process.stdin.fileno(), False)
        # Where its output goes; None keeps only the tail of it.
        self.on_output: Callable[[str], None] | None = None
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self.output_lines = 0
        # `cut` or `open`, once it is ready.
        self.network = ""
        self._events: queue.Queue[dict[str, Any]] = queue.Queue(MAX_WAITING_EVENTS)
        self._closed = threading.Event()
        self._threads = [
            threading.Thread(target=self._hear, args=(reading,), name="child-events", daemon=True),
            threading.Thread(target=self._drain, name="child-output", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def status(self) -> int | None:
        """How it ended, as `subprocess` tells it; None while it lives."""
        return self.process.poll()

    def give(self, job: Mapping[str, Any]) -> None:
        """Its job. Raises EngineError where it does not take it."""
        if not self._write(encode({"job": dict(job)}), JOB_SECONDS):
            raise EngineError("worker:failed", "The process of this run did not take its job.")

    def tell(self, wish: str, **more: Any) -> None:
        """`cancel`, `interrupt` or `proof`; a process that is gone or deaf misses it."""
        self._write(encode({"tell": wish, **more}), 1.0)

    def next_event(self, seconds: float) -> dict[str, Any] | None:
        """The next event, waited for so long. A line that is none comes as the event `garbage`."""
        with suppress(queue.Empty):
            return self._events.get(timeout=seconds)
        return None

    def last_words(self) -> dict[str, Any] | None:
        """Of a process that is gone, the next event; None after the last one. On a busy machine what it said
        may still be in the pipe."""
        deadline = time.monotonic() + HEIR_SECONDS
        while True:
            # Asked first: what was put last is in the queue by then.
            heard = not self._threads[0].is_alive() or time.monotonic() > deadline
            event = self.next_event(0.0 if heard else 0.1)
            if heard or event is not None:
                return event

    def wait_ready(self, seconds: float) -> bool:
        """Whether it has loaded the engine and waits for a job; False when it ended or takes longer."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            event = self.next_event(0.2)
            if event is not None:
                self.network = str(event.get("network"))
                return event.get("event") == "ready"
            if self.status is not None:
                return False
        return False

    def signal(self, number: int) -> None:
        """To the process alone."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    def close(self) -> None:
        """End it and all that it has started; nothing of it is left."""
        self._closed.set()
        end_family(self.process.pid, self.marker)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        for thread in self._threads:
            thread.join(2)
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()

    def _write(self, data: bytes, seconds: float) -> bool:
        pipe, rest, deadline = self.process.stdin, memoryview(data), time.monotonic() + seconds
        assert pipe is not None
        try:
            while rest:
                if not select.select([], [pipe], [], max(0.0, deadline - time.monotonic()))[1]:
                    return False
                with suppress(BlockingIOError):
                    rest = rest[os.write(pipe.fileno(), rest) :]
        except (OSError, ValueError):
            return False
        return True

    def _hear(self, descriptor: int) -> None:
        lines = Lines()
        with os.fdopen(descriptor, "rb", buffering=0) as pipe:
            try:
                while data := _read(pipe, self._closed):
                    for line in lines.feed(data):
                        self._put(decode(line))
            except BadLine as error:
                self._put({"event": "garbage", "text": str(error)})

    def _put(self, event: dict[str, Any]) -> None:
        while not self._closed.is_set():
            with suppress(queue.Full):
                self._events.put(event, timeout=0.2)
                return

    def _drain(self) -> None:
        """Output must be read for ever, or the process would wait; a flood is read slowly and not kept."""
        pipe, lines = self.process.stdout, Lines(limit=MAX_OUTPUT_CHARS)
        assert pipe is not None
        while data := _read(pipe, self._closed):
            try:
                for line in lines.feed(data):
                    self._show(line)
            except BadLine:
                lines = Lines(limit=MAX_OUTPUT_CHARS)
                self._show(data[:MAX_OUTPUT_CHARS])
            if self.output_lines > MAX_OUTPUT_LINES:
                self._closed.wait(0.02)

    def _show(self, line: bytes) -> None:
        text = "".join(
            c if c.isprintable() else " " for c in line[:MAX_OUTPUT_CHARS].decode(errors="replace")
        )
        if not text.strip():
            return
        self.tail.append(text.rstrip())
        self.output_lines += 1
        if self.on_output is not None and self.output_lines <= MAX_OUTPUT_LINES:
            self.on_output(text)
            if self.output_lines == MAX_OUTPUT_LINES:
                self.on_output("(further output of this process is not shown)")


def _read(pipe: IO[bytes], closed: threading.Event) -> bytes:
    """What has come; nothing at the end, or soon after everything was closed: a stray heir of the pipe may
    hold it open."""
    while not closed.is_set():
        if select.select([pipe], [], [], 0.5)[0]:
            return os.read(pipe.fileno(), 65536)
    ready = select.select([pipe], [], [], 0)[0]
    return os.read(pipe.fileno(), 65536) if ready else b""


def _environment(marker: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in KEPT_VARIABLES or name.startswith(KEPT_PREFIXES)
    }
    code = [str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")]
    found = {"PYTHONPATH": os.pathsep.join(filter(None, code)), MARKER: marker}
    return (
        kept | found | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    )


def ended_by(status: int) -> str:
    """How a process ended, in words."""
    if status >= 0:
        return f"it ended with status {status} without a word"
    with suppress(ValueError):
        return f"it was ended by {signal.Signals(-status).name}"
    return f"it was ended by signal {-status}"
