"""Running git itself: the same harmless surroundings for every call, and no child left behind."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PROTOCOL = re.compile(r"[a-z0-9=:.-]{1,100}")
_SETTINGS = (
    "safe.directory=*",
    "core.hooksPath=/dev/null",
    "pack.threads=1",
    "gc.auto=0",
    # Blobs over this are streamed, not held in memory.
    "core.bigFileThreshold=32m",
)
# One allocation of git's: a delta of a few bytes may claim terabytes.
_LARGEST_ALLOCATION = "1g"


def command(*words: str, settings: tuple[str, ...] = ()) -> list[str]:
    """`git` with the hub's own settings, more of them, and `words`."""
    pairs = [word for setting in (*_SETTINGS, *settings) for word in ("-c", setting)]
    return ["git", *pairs, *words]


def environment(protocol: str = "") -> dict[str, str]:
    """What git may know; `protocol` is a client's `Git-Protocol` header."""
    # Nothing of the hub's own environment (secrets among it) nor the machine's git configuration reaches git.
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "HOME": os.devnull,
        "GIT_PROTOCOL": protocol if _PROTOCOL.fullmatch(protocol) else "",
        "GIT_ALLOC_LIMIT": _LARGEST_ALLOCATION,
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }


@contextmanager
def running(
    words: list[str], *, seconds: float | None = None, **pipes: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """The process while the block runs; afterwards it is ended, if it still ran, and its status collected.

    After `seconds` it is killed, which whoever reads or waits sees as its end.
    """
    process = subprocess.Popen(words, env=environment(), **pipes)
    timer = threading.Timer(seconds or 0, process.kill)
    if seconds is not None:
        timer.start()
    try:
        yield process
    finally:
        timer.cancel()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                # What could not be written any more to a process that ended early is no matter.
                with contextlib.suppress(OSError):
                    pipe.close()
        # A process that has read all its input ends by itself; one that waits for more never would.
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def run(
    path: Path, *words: str, data: bytes = b"", seconds: float = 60, settings: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[bytes]:
    """Run one git command on the bare repository at `path` to its end; TimeoutExpired after `seconds`."""
    return subprocess.run(
        command(f"--git-dir={path}", *words, settings=settings),
        env=environment(),
        input=data,
        capture_output=True,
        timeout=seconds,
        check=False,
    )


def complaint(stderr: bytes, *hidden: Path) -> str:
    """The last thing git said, in one line of at most 200 characters, without the paths of this machine."""
    lines = [line for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    text = lines[-1] if lines else "git gave no reason"
    for path in hidden:
        text = text.replace(f"{path}/", "").replace(str(path), "")
    return re.sub(r"^(fatal|error): ", "", text)[:200]
