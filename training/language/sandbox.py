"""Chat templates of strangers, rendered in a process of their own, which is ended when it takes too much."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from training.errors import UserError

CHILD = Path(__file__).with_name("sandbox_child.py")
# Of the clock, not of the processor: a machine that is busy elsewhere must not fail an honest template.
SECONDS = 30.0
STARTING_SECONDS = 60.0
MAX_ANSWER_BYTES = 64 * 1024 * 1024


class TemplateSandbox:
    """One template. `render` is what jinja makes of it; the process starts with the first one."""

    def __init__(self, template: str) -> None:
        self.template = template
        self._process: subprocess.Popen[bytes] | None = None

    def render(self, variables: Mapping[str, Any]) -> str:
        """Raises `UserError` `model:chat-template`: what the template says, or that it had to be ended."""
        if self._process is None:
            self._start()
        return self._ask(dict(variables), SECONDS)

    def close(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            _end(self._process)
        self._process = None

    def _start(self) -> None:
        # No variable of ours, for what runs there has no use for a token; -I: no module beside the file.
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(CHILD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={
                name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ
            },
        )
        weakref.finalize(self, _end, self._process)
        self._ask({"template": self.template}, STARTING_SECONDS)

    def _ask(self, given: dict[str, Any], seconds: float) -> str:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(given, default=str).encode() + b"\n")
            process.stdin.flush()
            found = json.loads(_line(process.stdout, seconds))
        except (OSError, ValueError):
            self.close()
            raise _refusal("it needs more time or memory than a conversation can") from None
        if "error" in found:
            raise _refusal(str(found["error"]))
        return str(found["text"])


def _line(stream: IO[bytes], seconds: float) -> bytes:
    """The next line. Raises ValueError where none comes in time, or one that is too long."""
    deadline, found = time.monotonic() + seconds, bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while not found.endswith(b"\n"):
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise ValueError("too late")
            piece = os.read(stream.fileno(), 1024 * 1024)
            if not piece or len(found) + len(piece) > MAX_ANSWER_BYTES:
                raise ValueError("cut off, or too long")
            found += piece
    return bytes(found)


def _refusal(reason: str) -> UserError:
    text = f"The base model's chat template refuses a conversation: {reason}."
    return UserError("model:chat-template", text)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            try:
                stream.close()
            except OSError:
                continue
    process.wait()
