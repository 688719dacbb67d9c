"""A hub of its own for a benchmark, on an empty data directory."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import string
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

USER = "alice"
ROOT = Path(__file__).resolve().parent.parent


@contextlib.contextmanager
def running_hub(data: Path, log: Path, **settings: str) -> Iterator[tuple[str, str]]:
    """`manage.py serve` as people start it; its address and a write token of `USER`."""
    token = "hf_" + "".join(secrets.choice(string.ascii_letters) for _ in range(34))
    manage = [sys.executable, "manage.py"]
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUB_", "DJANGO_"))}
    kept |= settings
    here = ["--data-dir", str(data)]
    person = ["--user", USER, "--password", secrets.token_hex(12), "--token", token]
    subprocess.run(
        [*manage, "provision", *here, *person], check=True, cwd=ROOT, env=kept, stdout=subprocess.DEVNULL
    )
    port = free_port()
    serve = [*manage, "serve", *here, "--port", str(port), "--no-workers"]
    with log.open("wb") as output:
        process = subprocess.Popen(serve, cwd=ROOT, env=kept, stdout=output, stderr=output)
        try:
            _wait_until_up(f"http://127.0.0.1:{port}/healthz", process, log)
            yield f"http://127.0.0.1:{port}", token
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _wait_until_up(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"The hub did not come up:\n{log.read_text()[-2000:]}")
