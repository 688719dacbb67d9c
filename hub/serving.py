"""What must hold before the embedded hub starts: a free address, a directory of its own, tables in step."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO

from django.core.management.base import CommandError


def claim_data_dir(data_dir: Path) -> IO[str]:
    """Hold the directory for this process; CommandError when another `serve` has it."""
    try:
        lock = (data_dir / "serve.lock").open("a+")
    except OSError as error:
        raise CommandError(f"The data directory {data_dir} cannot be written: {error.strerror}.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        owner = lock.read().strip() or "another process"
        lock.close()
        raise CommandError(f"The data directory {data_dir} is already served by process {owner}.") from error
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def empty_tmp(tmp_dir: Path) -> None:
    """Forget what an earlier hub was killed in the middle of; called with the directory claimed."""
    shutil.rmtree(tmp_dir, ignore_errors=True)
    tmp_dir.mkdir(parents=True, exist_ok=True)


def open_listener(host: str, port: int) -> socket.socket:
    """A listening socket that children inherit; CommandError in words when the address is not to be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise CommandError(f"Port {port} is taken: choose another --port.") from error
        raise CommandError(f"Cannot listen on {host}:{port}: {error.strerror or error}.") from error
    except OverflowError as error:
        listener.close()
        raise CommandError(f"A port is a number from 0 to 65535, not {port}.") from error
    return listener


def public_url_for(host: str, port: int) -> str:
    """The address the hub hands out: the operator's HUB_PUBLIC_URL, else this machine's own."""
    given = os.environ.get("HUB_PUBLIC_URL")
    if given:
        return given.rstrip("/")
    return f"http://127.0.0.1:{port}" if host == "127.0.0.1" else f"http://localhost:{port}"


def answers(listener: socket.socket) -> bool:
    """Whether the web answers its health check, asked past any proxy."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    address = f"[{host}]" if ":" in host else host
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{address}:{port}/healthz", timeout=2) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False
